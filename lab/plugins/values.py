"""Converts provider wire values to plain Python and back, without losing which ones are secret or unknown.

The SDK's `PropertyValue` keeps secretness on each node but hands an unknown value of a preview through as the
engine's sentinel *string*, and refuses to send one of its own (`Computed`). Plugins here work on plain dicts and lists
in which an unknown is the object `UNKNOWN`; which parts are secret is kept beside them as a set of paths.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, final

from pulumi.provider.experimental.property_value import Computed, PropertyValue
from pulumi.runtime.rpc import UNKNOWN as SENTINEL

Path = tuple[str | int, ...]
"""The position of a value: map keys and list indexes from the top, such as `("spec", "ports", 0, "port")`."""

Plain = Any
"""None, bool, int, float, str, list or dict of these, or `UNKNOWN`."""


@final
class Unknown:
    """A value that a preview cannot know yet. Its only instance is `UNKNOWN`, which deliberately has no truth value."""

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __bool__(self) -> bool:
        message = "an unknown value is neither true nor false; compare with `is UNKNOWN`"
        raise TypeError(message)

    def __copy__(self) -> "Unknown":
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> "Unknown":
        return self


UNKNOWN: Final = Unknown()


def to_plain(values: Mapping[str, PropertyValue]) -> dict[str, Plain]:
    """The values of a property map, secrets unwrapped (see `secret_paths`), unknowns as `UNKNOWN`.

    A whole number becomes an int: the wire knows doubles alone, most receivers (Kubernetes, ports) refuse `5000.0`.
    Assets and archives raise `TypeError`.
    """
    return {key: plain_value(value) for key, value in values.items()}


def plain_value(value: PropertyValue) -> Plain:
    """`to_plain` for one value."""
    inner = value.value
    if isinstance(inner, Computed) or inner == SENTINEL:
        return UNKNOWN
    if inner is None or isinstance(inner, bool | str):
        return inner
    if isinstance(inner, float):
        return int(inner) if inner.is_integer() else inner
    if isinstance(inner, Mapping):
        return {key: plain_value(item) for key, item in inner.items()}
    if isinstance(inner, tuple):  # PropertyValue freezes each sequence it is given
        return [plain_value(item) for item in inner]
    message = f"a value of type {type(inner).__name__} is not supported here; use a string, number, list or map"
    raise TypeError(message)


def secret_paths(values: Mapping[str, PropertyValue]) -> frozenset[Path]:
    """The outermost secret paths; everything below one is secret too."""
    return frozenset(path for key, value in values.items() for path in _secrets(value, (key,)))


def _secrets(value: PropertyValue, path: Path) -> Iterator[Path]:
    if value.is_secret:
        yield path
        return
    for key, item in _children(value.value):
        yield from _secrets(item, (*path, key))


def unknown_paths(plain: Plain, path: Path = ()) -> frozenset[Path]:
    """The paths of `plain` that hold `UNKNOWN`."""
    if plain is UNKNOWN:
        return frozenset({path})
    return frozenset(found for key, item in _children(plain) for found in unknown_paths(item, (*path, key)))


def has_unknown(plain: Plain) -> bool:
    """Whether `plain` contains an unknown value."""
    return plain is UNKNOWN or any(has_unknown(item) for _, item in _children(plain))


def from_plain(plain: Mapping[str, Plain], secrets: Iterable[Path] = ()) -> dict[str, PropertyValue]:
    """A property map of `plain` with each path of `secrets` marked secret.

    A path that leads deeper than `plain` goes marks the deepest value there is: a secret never comes out in clear
    because the shape around it changed. A path that leaves `plain` at a missing key marks nothing.
    """
    marks = frozenset(secrets)
    return {key: _marked(item, frozenset(p[1:] for p in marks if p and p[0] == key)) for key, item in plain.items()}


def _marked(plain: Plain, marks: frozenset[Path]) -> PropertyValue:
    inside = isinstance(plain, dict | list)
    secret = () in marks or (bool(marks) and not inside)
    below = frozenset[Path]() if secret else marks

    def child(key: str | int, item: Plain) -> PropertyValue:
        return _marked(item, frozenset(p[1:] for p in below if p[0] == key))

    if isinstance(plain, dict):
        return PropertyValue({key: child(key, item) for key, item in plain.items()}, is_secret=secret)
    if isinstance(plain, list | tuple):
        return PropertyValue([child(index, item) for index, item in enumerate(plain)], is_secret=secret)
    if plain is UNKNOWN:
        return PropertyValue(SENTINEL, is_secret=secret)
    if isinstance(plain, int) and not isinstance(plain, bool):
        return PropertyValue(float(plain), is_secret=secret)
    return PropertyValue(plain, is_secret=secret)


def render_path(path: Path) -> str:
    """A path in the engine's notation: `metadata.annotations["pulumi.com/skipAwait"]`, `spec.ports[0].port`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step.replace("_", "a").isalnum():
            text += f".{step}" if text else step
        else:
            quoted = step.replace("\\", "\\\\").replace('"', '\\"')
            text += f'["{quoted}"]'
    return text


def _children(value: object) -> Iterable[tuple[str | int, Any]]:
    if isinstance(value, Mapping):
        return value.items()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return enumerate(value)
    return ()
