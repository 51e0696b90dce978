"""The changes of an object: its live state, reduced to the fields that the program set, against the new inputs.

The live state is the one in the engine's state file, so that a hand's change shows after a refresh and no cluster is
needed; the fields we never set (defaults, status, other controllers' work) never show.
"""

import base64
import binascii
import copy
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, final

from lab.plugins.kubernetes import naming, quantity
from lab.plugins.kubernetes.replacement import fixed_fields, replaces
from lab.plugins.values import UNKNOWN, Path, Plain


class Change(Enum):
    """The kind of change of one field."""

    ADD = "add"
    DELETE = "delete"
    UPDATE = "update"


@final
class _Missing:
    """The absence of a value, since None is a value."""


_MISSING: Final = _Missing()


@dataclass(frozen=True)
class Difference:
    """The changes by path, those among them that replace the object, and in which order a replacement happens."""

    changes: Mapping[Path, Change] = field(default_factory=dict)
    replacing: frozenset[Path] = frozenset()
    delete_first: bool = False


def difference(
    old_state: Mapping[str, Any],
    old_inputs: Mapping[str, Any],
    new_inputs: Mapping[str, Any],
    *,
    ignored: Iterable[str] = (),
    secret_mutable: bool = False,
    config_map_mutable: bool = False,
) -> Difference:
    """Compare an object's live state, as far as `old_inputs` set it, with the new inputs.

    Args:
        old_state: the object as last read from the API server.
        old_inputs: what the program asked for then (after a refresh: what is there of it now).
        new_inputs: what the program asks for now.
        ignored: the resource's `ignore_changes`, property paths.
        secret_mutable: change a Secret's data in place instead of replacing it.
        config_map_mutable: the same for a ConfigMap.
    """
    base = prune(old_state, normalized(old_inputs))
    new = normalized(new_inputs)
    _canonical_namespace(base, new)
    if naming.name_of(new):
        base.setdefault("metadata", {})["name"] = naming.name_of(old_state)
    base.get("metadata", {}).pop("resourceVersion", None)
    fixed = fixed_fields(new_inputs, secret_mutable=secret_mutable, config_map_mutable=config_map_mutable)
    patterns = [_pattern(text) for text in ignored]
    changes: dict[Path, Change] = {}
    replacing: set[Path] = set()
    for path, change, values in _compare((), base, new):
        if not any(_covers(pattern, path) for pattern in patterns):
            changes[path] = change
            if replaces(path, values, fixed):
                replacing.add(path)
    scoped = not naming.is_cluster_scoped(str(new.get("kind")))
    same_place = naming.name_of(new) == naming.name_of(old_state) and (
        not scoped or naming.namespace_of(new) == (naming.namespace_of(old_state) or "default")
    )
    delete_first = bool(replacing) and same_place and not naming.is_set(new, naming.AUTONAMED)
    return Difference(changes, frozenset(replacing), delete_first)


def normalized(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """A copy as the API server would give it back: a Secret's `stringData` within `data`, in its own base64."""
    result = copy.deepcopy(dict(inputs))
    if (result.get("apiVersion"), result.get("kind")) != ("v1", "Secret"):
        return result
    data = result.get("data")
    strings = result.get("stringData")
    if isinstance(data, dict):
        data = {key: _canonical_base64(value) for key, value in data.items()}
    if isinstance(strings, dict) and strings and (data is None or isinstance(data, dict)):
        encoded = {key: _encoded(value) for key, value in strings.items()}
        data = {**(data or {}), **encoded}
        del result["stringData"]
    if data is not None:
        result["data"] = data
    return result


def _encoded(value: Plain) -> Plain:
    return base64.b64encode(value.encode()).decode() if isinstance(value, str) else value


def _canonical_base64(value: Plain) -> Plain:
    try:
        return base64.b64encode(base64.b64decode(value)).decode() if isinstance(value, str) else value
    except binascii.Error:
        return value  # the API server says so better than a diff could


def prune(live: Mapping[str, Any], shape: Mapping[str, Any]) -> dict[str, Any]:
    """`live` reduced to the keys of `shape`, in lists element by element; unchanged where the types differ."""
    return {key: _pruned(value, shape[key]) for key, value in live.items() if key in shape}


def _pruned(live: Plain, shape: Plain) -> Plain:
    if isinstance(live, dict) and isinstance(shape, dict):
        return prune(live, shape)
    if isinstance(live, list) and isinstance(shape, list):
        return [_pruned(one, other) for one, other in zip(live, shape, strict=False)]
    return copy.deepcopy(live)


def _canonical_namespace(base: dict[str, Any], new: dict[str, Any]) -> None:
    """The object's namespace: an absent one means `default`, and cluster-scoped kinds have none whatever they say."""
    scoped = not naming.is_cluster_scoped(str(new.get("kind")))
    for obj in (base, new):
        metadata = obj.setdefault("metadata", {})
        if not isinstance(metadata, dict):
            continue
        if scoped:
            metadata["namespace"] = metadata.get("namespace") or "default"
        else:
            metadata.pop("namespace", None)


Found = tuple[Path, Change, tuple[Plain, Plain]]


def _compare(path: Path, old: Plain, new: Plain) -> Iterable[Found]:
    if new is UNKNOWN:
        yield path, Change.ADD if old is _MISSING else Change.UPDATE, (None, None)
    elif isinstance(new, dict) and isinstance(old, dict):
        for key in [*new, *(key for key in old if key not in new)]:
            yield from _compare((*path, key), old.get(key, _MISSING), new.get(key, _MISSING))
    elif isinstance(new, list) and isinstance(old, list):
        for index in range(max(len(old), len(new))):
            before = old[index] if index < len(old) else _MISSING
            after = new[index] if index < len(new) else _MISSING
            yield from _compare((*path, index), before, after)
    elif _is_nothing(old) and _is_nothing(new):
        return
    elif _is_nothing(new):
        yield path, Change.DELETE, (old, None)
    elif old is _MISSING:
        yield path, Change.ADD, (None, new)
    elif not _is_same(path, old, new):
        yield path, Change.UPDATE, (old, new)


def _is_nothing(value: Plain) -> bool:
    """Whether the API server omits such a value."""
    return value is _MISSING or value is None or value in ({}, [])


def _is_same(path: Path, old: Plain, new: Plain) -> bool:
    if isinstance(old, bool) or isinstance(new, bool):
        return old is new
    return old == new or (quantity.is_quantity(path) and quantity.same(old, new))


_STEP = re.compile(r'\[\s*(?:"((?:[^"\\]|\\.)*)"|(\d+)|(\*))\s*\]|\.?([^.\[\]]+)')


def _pattern(text: str) -> tuple[str | int, ...]:
    """A property path such as `spec.containers[*].image` or `metadata.labels["a.b"]` as steps."""
    steps: list[str | int] = []
    for quoted, index, star, name in _STEP.findall(text):
        if index:
            steps.append(int(index))
        else:
            steps.append(quoted.replace('\\"', '"') or star or name)
    return tuple(steps)


def _covers(pattern: tuple[str | int, ...], path: Path) -> bool:
    return len(pattern) <= len(path) and all(want in ("*", got) for want, got in zip(pattern, path, strict=False))


def keep_ignored(body: dict[str, Any], live: Mapping[str, Any], ignored: Iterable[str]) -> None:
    """Give fields in `ignore_changes` their live values, so that an apply does not take them from their owners."""
    for text in ignored:
        _keep(body, live, _pattern(text))


def _keep(body: Plain, live: Plain, pattern: tuple[str | int, ...]) -> None:
    step, rest = pattern[0], pattern[1:]
    if isinstance(body, dict) and isinstance(live, dict):
        keys: Iterable[Any] = [key for key in body if key in live] if step == "*" else [step]
    elif isinstance(body, list) and isinstance(live, list):
        shared = range(min(len(body), len(live)))
        keys = shared if step == "*" else [step] if step in shared else []
    else:
        return
    for key in keys:
        if rest and (isinstance(body, list) or (key in body and key in live)):
            _keep(body[key], live[key], rest)
        elif not rest and (isinstance(body, list) or key in live):
            body[key] = copy.deepcopy(live[key])
        elif not rest:
            body.pop(key, None)
