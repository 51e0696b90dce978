"""One problem of the configuration, in words that a user can act on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

_SHOWN_CHARACTERS: Final = 60


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One key, what was found there, the rule, and an example that follows it."""

    key: str
    """Key path as the stack file has it, such as `nodes.cube01.host`."""
    found: str
    rule: str
    example: str
    reads: tuple[str, ...] = ()
    """Other keys that the rule compares. Where one of them is wrong itself, this problem is not certain."""
    quotes_values: bool = True
    """Whether `found` or `example` may contain values of these keys. `rule` never does."""

    def __str__(self) -> str:
        """The problem on one line."""
        return f"{self.key}: {self.found}; {self.rule}; for example {self.example}"


def shown(value: object) -> str:
    """A value as an error may show it: quoted, and cut where it is long."""
    try:
        text = repr(value)
    except ValueError:
        text = "a number of thousands of digits"  # Python does not print such a number
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "..."


def repetitions(key: str, values: Sequence[str]) -> Iterator[Problem]:
    """Every value of a list that is there a second time."""
    for position, value in enumerate(values):
        if value in values[:position]:
            rule = "each may be listed only once"
            yield Problem(key=key, found=f"found {shown(value)} a second time", rule=rule, example=f"[{value}]")
