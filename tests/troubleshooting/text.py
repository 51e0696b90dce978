"""A text that the program can print, as far as its source says: words, and places for what a run puts there."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

_WORD: Final = re.compile(r"[A-Za-z]{2,}")
_CLAUSE_END: Final = "; "
_PHRASE_END: Final = re.compile(r"[,:.] | \(|[.,:]$")
_ENOUGH_WORDS: Final = 6
_PLACE: Final = "[^ ]*"
"""What a page has for what a run puts there: …, or an example without a blank."""
_BEFORE: Final = "(?:[^ ]+: )?"
"""The node or the key before a sentence."""


class Anything:
    """A place for what only a run knows."""


ANYTHING: Final = Anything()


@dataclass(frozen=True)
class Choice:
    """A place for one of several texts of the source, or for something else where `open` is set."""

    texts: tuple["Text", ...]
    open: bool


@dataclass(frozen=True)
class Text:
    """Words and places, in their order."""

    parts: tuple[str | Anything | Choice, ...]

    def is_in(self, documented: str) -> bool:
        """Whether a documented text has what was found, or its beginning."""
        return any(re.search(text._pattern(), documented) for text in self.beginnings())

    def is_all_of(self, documented: str) -> bool:
        """Whether a documented text is what was found, or its beginning, with or without the key before it."""
        return any(re.fullmatch(_BEFORE + text._pattern(), documented) for text in self.beginnings())

    def has_entry(self, documented: str) -> bool:
        """Whether a documented text is the entry of this one.

        Where this one ends in a place, so does its entry: an example would be the entry of all that begins alike.
        """
        match self.clause().parts:
            case [*_, str(before), Anything()] if before.endswith(" "):
                return documented.endswith("…") and self.is_all_of(documented)
            case _:
                return self.is_all_of(documented)

    def beginnings(self) -> Iterator["Text"]:
        """What was found, and each part from its beginning to the end of a phrase that says enough to be searched."""
        found = self.clause()
        yield found
        for number, part in enumerate(found.parts):
            if isinstance(part, str):
                ends = (Text((*found.parts[:number], part[: end.start()])) for end in _PHRASE_END.finditer(part))
                yield from (beginning for beginning in ends if beginning.words() >= _ENOUGH_WORDS)

    def _pattern(self) -> str:
        # What may be anything as a whole would be every text.
        spoken = any(isinstance(part, str) and _WORD.search(part) for part in self.parts)
        return "".join(_pattern(part, spoken=spoken) for part in self.parts)

    def shown(self) -> str:
        """The text for a reader, with … for each place."""
        return "".join(part if isinstance(part, str) else "…" for part in self.parts)

    def words(self) -> int:
        """How many words the source gives it, those of its choices included."""
        return sum(
            len(_WORD.findall(part)) if isinstance(part, str) else _most(part.texts) if isinstance(part, Choice) else 0
            for part in self.parts
        )

    def clause(self) -> "Text":
        """What was found: up to the first semicolon, without the node or the key before it.

        All of it where a run puts everything there.
        """
        kept: list[str | Anything | Choice] = []
        for part in self.parts:
            if isinstance(part, str) and _CLAUSE_END in part:
                kept.append(part.partition(_CLAUSE_END)[0])
                break
            kept.append(_clauses(part) if isinstance(part, Choice) else part)
        match kept:
            case ["node ", _, str(third), *rest] if third.startswith(": "):
                kept = [third.removeprefix(": "), *rest]
            case [Anything(), str(second), *rest] if second.startswith(": "):
                kept = [second.removeprefix(": "), *rest]
            case _:
                pass
        found = Text(tuple(_merged(part for part in kept if part)))
        return found if found.words() or not self.words() else self

    def spread(self) -> Iterator["Text"]:
        """What was found; each of its choices by itself where it is nothing else."""
        match self.clause().parts:
            case [Choice(texts=texts)]:
                for text in texts:
                    yield from text.spread()
            case _:
                yield self

    def choices(self) -> Iterator["Text"]:
        """Every text that may stand in one of its places."""
        for part in self.parts:
            if isinstance(part, Choice):
                for text in part.texts:
                    yield text
                    yield from text.choices()


def place(texts: Iterable[Text | None]) -> Anything | Choice:
    """The place for one of these; None, or a single word, is whatever a run puts there."""
    found = [*texts]
    worded = tuple(dict.fromkeys(text for text in found if text is not None and " " in text.shown() and text.words()))
    return Choice(worded, open=any(text not in worded for text in found)) if worded else ANYTHING


def _merged(parts: Iterable[str | Anything | Choice]) -> Iterator[str | Anything | Choice]:
    """The parts, with one place for two that only a blank parts."""
    kept: list[str | Anything | Choice] = []
    for part in parts:
        if isinstance(part, Anything) and kept[-2:] == [ANYTHING, " "]:
            kept.pop()
        elif not (isinstance(part, Anything) and kept[-1:] == [ANYTHING]):
            kept.append(part)
    return iter(kept)


def _most(texts: Iterable[Text]) -> int:
    return max(text.words() for text in texts)


def _clauses(choice: Choice) -> Choice:
    return Choice(tuple(text.clause() for text in choice.texts), choice.open)


def _pattern(part: str | Anything | Choice, *, spoken: bool) -> str:
    if isinstance(part, str):
        return re.escape(part)
    if isinstance(part, Anything):
        return _PLACE
    return f"(?:{'|'.join([*(text._pattern() for text in part.texts), *(['.*'] if part.open and spoken else [])])})"
