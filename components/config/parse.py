"""Reads a user's document into the models, or reports every problem in it at once."""

import copy
import dataclasses
import difflib
import shlex
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from components.config.model import StackConfig
from components.config.problem import Problem, shown
from components.config.schema import SCHEMA, resolved, written
from components.config.types import RULE_ERROR

_ROUNDS: Final = 3
"""For a wrong entry of `nodes` that is the only one: remove it, remove the empty `nodes`, add the example."""
_KEY: Final = "[key]"
"""The last part of an error's location where a mapping's key is wrong and not its value."""
_HIDDEN: Final = "found a value that is not shown"
_MUST_BE_MAPPING: Final = "it must be a mapping"
_MUST_BE_INTEGER: Final = "it must be an integer from {minimum} to {maximum}"
_RULES: Final = {
    "missing": "it is required: {meaning}",
    "string_type": "it must be a string (put it in quotes)",
    "bool_type": "it must be true or false",
    "int_type": _MUST_BE_INTEGER,
    "greater_than_equal": _MUST_BE_INTEGER,
    "less_than_equal": _MUST_BE_INTEGER,
    "enum": "it must be one of {words}",
    "tuple_type": "it must be a list",
    "dict_type": _MUST_BE_MAPPING,
    "mapping_type": _MUST_BE_MAPPING,
    "model_type": _MUST_BE_MAPPING,
}


class ConfigError(Exception):
    """The configuration is wrong; the message lists every problem found."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        number = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"the stack configuration has {number}; nothing was contacted:\n{lines}")


def parse(values: Mapping[str, Any], *, encrypted: Collection[str] = ()) -> StackConfig:
    """Turn the stack's keys, without their namespace, into a checked configuration.

    Args:
        values: what the user wrote, by key.
        encrypted: the keys that are stored as secrets; their values are never shown.

    Raises:
        ConfigError: listing every problem there is.

    """
    document = _plain(values)
    config = _validated(document)
    problems = [_in_words(details, encrypted) for details in config] if isinstance(config, list) else []
    # With the wrong values mended, the others are compared with each other in the same run.
    for _ in range(_ROUNDS):
        if isinstance(config, list):
            _mend(document, config)
            config = _validated(document)
    wrong = {problem.key for problem in problems}
    conflicts = [] if isinstance(config, list) else config.conflicts()
    problems += [
        _without_secrets(problem, encrypted)
        for problem in (*_unencrypted(document, encrypted), *conflicts)
        # A comparison with a mended value proves nothing.
        if not any(_is_within(key, wrong) for key in (problem.key, *problem.reads))
    ]
    if problems or isinstance(config, list):
        raise ConfigError(problems)
    return config


def _plain(value: Any) -> Any:
    """A copy of the form that JSON has: each key is a string, and each string can be printed and sent."""
    if isinstance(value, Mapping):
        return {_plain(str(key)): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    # JSON can escape one half of a surrogate pair, which no encoding can write.
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


def _validated(document: dict[str, Any]) -> StackConfig | list[ErrorDetails]:
    try:
        # by_name=False: a user writes the keys in camelCase alone.
        return StackConfig.model_validate(document, by_alias=True, by_name=False)
    except ValidationError as error:
        return error.errors(include_url=False)


def _mend(document: dict[str, Any], errors: list[ErrorDetails]) -> None:
    """Remove every wrong value, and add the example where a required one is missing.

    Removing a value may leave a required one missing, or `nodes` without entries: the next round mends that.
    """
    # From the last to the first, so that positions in a list hold while later items are removed.
    for details in reversed(errors):
        *parents, last = details["loc"][:-1] if _concerns_name(details) else details["loc"]
        target: Any = document
        for step in parents:
            target = target[step]
        if details["type"] == "missing":
            target[last] = copy.deepcopy(_example(details["loc"]))
        elif last in target or isinstance(target, list):
            # An entry with a wrong name may be gone already, for its value.
            del target[last]


def _in_words(details: ErrorDetails, encrypted: Collection[str]) -> Problem:
    kind, location, context = details["type"], details["loc"], details.get("ctx", {})
    *_, above, schema = _schemas(location)
    if kind == "extra_forbidden":
        return _unknown_key(location, list(above["properties"]))
    example = _example(location)
    if _concerns_name(details):
        name, location, example = location[-2], location[:-1], next(iter(example))
        found = f"found the name {shown(name)}"
    elif kind == "missing":
        found = "is missing"
    elif location[0] in encrypted or _holds_secret(schema):
        found = _HIDDEN
    else:
        found = context.get("found", f"found {shown(details['input'])}")
    rule = details["msg"]
    if kind in _RULES:
        rule = _RULES[kind].format(
            minimum=schema.get("minimum"),
            maximum=schema.get("maximum"),
            words=", ".join(schema.get("enum", ())),
            meaning=_as_clause(schema.get("description", "")),
        )
    return Problem(key=_path(location), found=found, rule=rule, example=written(example))


def _unknown_key(location: tuple[str | int, ...], known: list[str]) -> Problem:
    nearest = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0)
    return Problem(
        key=_path(location),
        found="is not a key of this program",
        rule=f"known here: {', '.join(sorted(known))}",
        example=nearest[0],
    )


def _unencrypted(values: Mapping[str, Any], encrypted: Collection[str]) -> Iterator[Problem]:
    for key, schema in SCHEMA["properties"].items():
        # The engine only tells which keys of the top level hold a secret.
        for path in _secret_paths(schema, values.get(key), key) if key not in encrypted else ():
            yield Problem(
                key=path,
                found="is stored unencrypted in the stack file",
                rule="it must be a secret",
                example=f"`pulumi config set --secret {path if path == key else '--path ' + shlex.quote(path)}` reads "
                "it from standard input",
                quotes_values=False,
            )


def _holds_secret(schema: dict[str, Any]) -> bool:
    """Whether a value of this schema is secret, or anything in it: in a wrong shape it still is."""
    schema = resolved(schema)
    inner = [*schema.get("properties", {}).values(), schema.get("additionalProperties")]
    return bool(schema.get("writeOnly")) or any(_holds_secret(one) for one in inner if isinstance(one, dict))


def _secret_paths(schema: dict[str, Any], value: Any, path: str) -> Iterator[str]:
    """The paths of the values that must be secret, at a key and below it."""
    schema = resolved(schema)
    if schema.get("writeOnly"):
        if value:
            yield path
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            below = schema.get("properties", {}).get(name) or schema.get("additionalProperties")
            if isinstance(below, dict):
                # As `--path` reads it: a dot in a name would begin another one.
                yield from _secret_paths(below, inner, f'{path}["{name}"]' if "." in name else f"{path}.{name}")


def _without_secrets(problem: Problem, encrypted: Collection[str]) -> Problem:
    """The problem as it may be shown, since a rule between keys may quote a value that is encrypted."""
    concerned = {key.partition(".")[0] for key in (problem.key, *problem.reads)}
    if not problem.quotes_values or concerned.isdisjoint(encrypted):
        return problem
    return dataclasses.replace(problem, found=_HIDDEN, example=written(_example(tuple(problem.key.split(".")))))


def _concerns_name(details: ErrorDetails) -> bool:
    """Whether a name is wrong that the user gave to an entry, and not the entry's value."""
    return details["type"] == RULE_ERROR and details["loc"][-1] == _KEY


def _schemas(location: tuple[str | int, ...]) -> Iterator[dict[str, Any]]:
    """The schemas on the way from the whole document to a value; empty where there is none."""
    schema: dict[str, Any] = SCHEMA
    yield schema
    for step in location:
        inner = (
            schema.get("properties", {}).get(step) or schema.get("additionalProperties") or schema.get("items") or {}
        )
        schema = resolved(inner)
        yield schema


def _example(location: tuple[str | int, ...]) -> Any:
    return next(schema["examples"][0] for schema in reversed([*_schemas(location)]) if "examples" in schema)


def _as_clause(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:].rstrip(".")


def _path(location: tuple[str | int, ...]) -> str:
    """A key path as users write it, such as `nodes.cube01.host` or `aliases[0]`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    return "".join(steps).removeprefix(".")


def _is_within(key: str, wrong: Collection[str]) -> bool:
    return any(key == outer or key.startswith((f"{outer}.", f"{outer}[")) for outer in wrong)
