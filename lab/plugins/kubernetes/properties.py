"""A resource's properties as this plugin handles them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.struct_pb2 import Struct
from pulumi.provider.experimental.property_value import PropertyValue

from lab.plugins.kubernetes.secret_paths import secret_paths
from lab.plugins.values import Path, Plain, from_plain, to_plain
from lab.plugins.values import secret_paths as marked_paths


@dataclass(frozen=True)
class Properties:
    """Plain values beside the paths among them that are secret."""

    plain: Mapping[str, Plain] = field(default_factory=dict)
    secrets: frozenset[Path] = frozenset()

    @classmethod
    def of(cls, wire: Struct) -> "Properties":
        """The properties that the engine sent."""
        values = PropertyValue.unmarshal_map(wire)
        return cls(to_plain(values), marked_paths(values))

    @classmethod
    def around(cls, obj: Mapping[str, Any], secrets: Iterable[Path]) -> "Properties":
        """An object, as secret as the inputs it came from (`secret_paths.secret_paths`)."""
        return cls(obj, secret_paths(obj, secrets))

    def wire(self) -> Struct:
        """The form in which the engine receives the properties."""
        return PropertyValue.marshal_map(from_plain(self.plain, self.secrets))
