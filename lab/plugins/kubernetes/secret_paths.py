"""The secret fields of an object, in its inputs and in its outputs."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from lab.plugins.values import Path

_OF_A_SECRET: Final[tuple[Path, ...]] = (
    ("data",),
    ("stringData",),
    # kubectl apply keeps a copy of the whole object, data included, here.
    ("metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"),
)


def secret_paths(obj: Mapping[str, Any], inputs: Iterable[Path]) -> frozenset[Path]:
    """The secret paths of `obj`, given those of the inputs it came from.

    The same path is secret; of a list that has anything secret in it all of it is, since the API server may reorder
    it; and the data of a `Secret` is, whatever the program said.
    """
    paths = {_above_list(path) for path in inputs}
    if obj.get("kind") == "Secret":
        paths.update(_OF_A_SECRET)
    return frozenset(paths)


def _above_list(path: Path) -> Path:
    for depth, step in enumerate(path):
        if isinstance(step, int):
            return path[:depth]
    return path
