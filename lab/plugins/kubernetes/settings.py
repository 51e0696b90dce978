"""The provider's configuration, and the effect of its changes on the objects in the state."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lab.plugins.kubernetes import kubeconfig
from lab.plugins.values import UNKNOWN, Plain


def _is_true(value: Plain) -> bool:
    return value is True or value == "true"


def _is_false(value: Plain) -> bool:
    return value is False or value == "false"


_NOT_COVERED: Mapping[str, Callable[[Plain], bool]] = {
    "renderYamlToDirectory": bool,
    "enableServerSideApply": _is_false,
    "upsertExistingObjects": _is_true,
}
_LOCATION = ("kubeconfig", "context", "cluster")
_IDENTIFIER = "clusterIdentifier"


@dataclass(frozen=True)
class Settings:
    """The inputs of the provider resource. Absent strings are empty; `namespace` is for objects that name none."""

    kubeconfig: str = ""
    context: str = ""
    cluster: str = ""
    namespace: str = ""
    secret_mutable: bool = False
    config_map_mutable: bool = False
    patch_force: bool = False
    delete_unreachable: bool = False
    skip_update_unreachable: bool = False

    @classmethod
    def of(cls, inputs: Mapping[str, Plain]) -> "Settings":
        """Read the provider's inputs; the two `*Unreachable` options may come from the environment instead."""

        def switch(name: str, variable: str = "") -> bool:
            value = inputs.get(name)
            return _is_true(os.environ.get(variable, "") if value in (None, "") else value)

        def text(name: str) -> str:
            value = inputs.get(name)
            return value if isinstance(value, str) else ""

        return cls(
            kubeconfig=text("kubeconfig"),
            context=text("context"),
            cluster=text("cluster"),
            namespace=text("namespace"),
            secret_mutable=switch("enableSecretMutable", "PULUMI_K8S_ENABLE_SECRET_MUTABLE"),
            config_map_mutable=switch("enableConfigMapMutable", "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE"),
            patch_force=switch("enablePatchForce", "PULUMI_K8S_ENABLE_PATCH_FORCE"),
            delete_unreachable=switch("deleteUnreachable", "PULUMI_K8S_DELETE_UNREACHABLE"),
            skip_update_unreachable=switch("skipUpdateUnreachable", "PULUMI_K8S_SKIP_UPDATE_UNREACHABLE"),
        )


@dataclass(frozen=True)
class ConfigDifference:
    """The changed inputs of the provider, and those whose change replaces every object of it."""

    changed: tuple[str, ...] = ()
    replacing: tuple[str, ...] = ()


def problems(inputs: Mapping[str, Plain]) -> dict[str, str]:
    """The inputs that the stand-in does not support, each with the reason."""
    return {
        name: f"{name}={inputs[name]!r} is not covered by the stand-in for the Kubernetes plugin; use upstream's"
        for name, refused in _NOT_COVERED.items()
        if inputs.get(name) not in (None, "", UNKNOWN) and refused(inputs[name])
    }


def config_difference(olds: Mapping[str, Plain], news: Mapping[str, Plain]) -> ConfigDifference:
    """The effect of changing the provider's inputs on its objects.

    An unchanged `clusterIdentifier` keeps them whatever else changes, and another one replaces them. Without it, or
    while it is being added or removed, another active cluster in the kubeconfig does, or one not known yet.
    """
    changed = tuple(name for name in sorted({*olds, *news}) if _value(olds, name) != _value(news, name))
    if not changed:
        return ConfigDifference()
    old_identifier, new_identifier = _value(olds, _IDENTIFIER), _value(news, _IDENTIFIER)
    if new_identifier is not None and old_identifier == new_identifier:
        return ConfigDifference(changed)
    replacing = [_IDENTIFIER] if old_identifier is not None and new_identifier is not None else []
    unknown = next((name for name in _LOCATION if news.get(name) is UNKNOWN), None)
    if unknown is not None:
        return ConfigDifference((unknown,), (*replacing, unknown))
    before, after = (kubeconfig.active_cluster(*_location(side)) for side in (olds, news))
    if before is not None and after is not None and before != after:
        replacing += [name for name in _LOCATION if name in changed]
    return ConfigDifference(changed, tuple(replacing))


def _location(inputs: Mapping[str, Plain]) -> tuple[str, str, str]:
    config, context, cluster = (inputs.get(name) for name in _LOCATION)
    return tuple(value if isinstance(value, str) else "" for value in (config, context, cluster))  # type: ignore[return-value]  # three in, three out


def _value(inputs: Mapping[str, Plain], name: str) -> Any:
    value = inputs.get(name)
    return None if value in (None, "") else value
