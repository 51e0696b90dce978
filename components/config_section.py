"""Strict reading of nested configuration: every problem is collected, none is raised early."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias, TypeVar

Rule: TypeAlias = Callable[[str], str | None]
"""Checks one value; returns what is wrong with it, or None."""

_SHOWN_CHARACTERS: Final = 60
_Choice = TypeVar("_Choice", bound=StrEnum)


class _Required:
    """The default of a key that has none."""


REQUIRED: Final = _Required()


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing wrong with the configuration, in words a user can act on."""

    key: str
    """Key path as it stands in the stack file, such as `nodes.cube01.host`."""
    found: str
    rule: str
    example: str

    def __str__(self) -> str:
        """The problem on one line."""
        return f"{self.key}: {self.found}; {self.rule}; for example {self.example}"


def shown(value: object) -> str:
    """A value as an error may show it: quoted, and cut where it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "..."


class Section:
    """One mapping of the configuration, read key by key.

    Each reader returns a usable value even where the user's is wrong, so that reading goes on and all problems come out
    together; the caller refuses the whole configuration when `problems` is not empty.
    """

    def __init__(self, values: Mapping[str, Any], problems: list[Problem], path: str = "") -> None:
        self._values = values
        self._path = path
        self._known: set[str] = set()
        self.problems = problems

    def key(self, name: str) -> str:
        """Full key path of one of this section's keys."""
        return f"{self._path}.{name}" if self._path else name

    def refuse(self, name: str, found: str, rule: str, example: str) -> None:
        """Note a problem with one of this section's keys."""
        self.problems.append(Problem(key=self.key(name), found=found, rule=rule, example=example))

    def text(self, name: str, default: str | _Required, rule: Rule, example: str) -> str:
        """A string that `rule` accepts. An empty required string counts as missing."""
        value = self._take(name)
        if value is None or value == "":
            if isinstance(default, _Required):
                self.refuse(name, "is missing", "it is required", example)
                return ""
            return default
        if not isinstance(value, str):
            self.refuse(name, f"found {shown(value)}", "it must be a text (put it in quotes)", example)
            return ""
        wrong = rule(value)
        if wrong is not None:
            self.refuse(name, f"found {shown(value)}", wrong, example)
        return value

    def texts(self, name: str, rule: Rule, example: str) -> tuple[str, ...]:
        """A list of different strings that `rule` accepts; empty when the key is absent."""
        value = self._take(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            self.refuse(name, f"found {shown(value)}", "it must be a list", example)
            return ()
        items: list[str] = []
        for position, item in enumerate(value):
            where = f"{name}[{position}]"
            wrong = rule(item) if isinstance(item, str) else "it must be a text"
            if wrong is not None:
                self.refuse(where, f"found {shown(item)}", wrong, example)
            elif item in items:
                self.refuse(where, f"found {shown(item)} a second time", "each may stand once", example)
            else:
                items.append(item)
        return tuple(items)

    def integer(self, name: str, default: int, minimum: int, maximum: int) -> int:
        """A whole number within bounds, both included."""
        value = self._take(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
            rule = f"it must be a whole number from {minimum} to {maximum}"
            self.refuse(name, f"found {shown(value)}", rule, str(default))
            return default
        return value

    def boolean(self, name: str, *, default: bool) -> bool:
        """True or false; words such as "yes" are refused, since YAML readers disagree on them."""
        value = self._take(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.refuse(name, f"found {shown(value)}", "it must be true or false", str(default).lower())
            return default
        return value

    def choice(self, name: str, default: _Choice) -> _Choice:
        """One of the words of an enumeration."""
        value = self._take(name)
        if value is None or value == "":
            return default
        kind = type(default)
        try:
            return kind(value)
        except ValueError:
            words = ", ".join(item.value for item in kind)
            self.refuse(name, f"found {shown(value)}", f"it must be one of {words}", default.value)
            return default

    def optional_choice(self, name: str, kind: type[_Choice]) -> _Choice | None:
        """One of the words of an enumeration, or None where the key is absent."""
        absent = self._values.get(name) in (None, "")
        chosen = self.choice(name, next(iter(kind)))
        return None if absent else chosen

    def section(self, name: str) -> "Section":
        """A nested mapping; an absent one reads as empty."""
        return Section(self._mapping(name), self.problems, self.key(name))

    def sections(self, name: str, example: str) -> dict[str, "Section"]:
        """A mapping from names to mappings, in the order it is written."""
        found: dict[str, Section] = {}
        entries = self._mapping(name)
        inner = Section(entries, self.problems, self.key(name))
        for entry, value in entries.items():
            if not isinstance(value, Mapping):
                inner.refuse(entry, f"found {shown(value)}", "it must be a mapping", example)
            else:
                found[entry] = Section(value, self.problems, inner.key(entry))
        return found

    def labels(self, name: str, default: Mapping[str, str]) -> dict[str, str]:
        """A mapping from texts to texts, as Kubernetes' selectors are."""
        values = default if self._take(name) is None else self._mapping(name)
        inner = Section(values, self.problems, self.key(name))
        for label, value in values.items():
            if not isinstance(value, str):
                inner.refuse(label, f"found {shown(value)}", "it must be a text (put it in quotes)", '"true"')
        return {label: str(value) for label, value in values.items()}

    def finish(self) -> None:
        """Refuse every key that no reader asked for."""
        for name in self._values:
            if name not in self._known:
                known = ", ".join(sorted(self._known))
                self.refuse(name, "is not a key of this program", f"known here: {known}", "one of those")

    def _take(self, name: str) -> Any:
        self._known.add(name)
        return self._values.get(name)

    def _mapping(self, name: str) -> Mapping[str, Any]:
        value = self._take(name)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.refuse(name, f"found {shown(value)}", "it must be a mapping", "{}")
            return {}
        return value
