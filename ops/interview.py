"""Questions whose answers become the configuration; the program's own parser judges each of them."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.prompt import Prompt
from rich.text import Text

from components.config.parse import ConfigError, parse
from ops.failure import OpsError
from ops.terminal import ERR

_SECRETS: Final = ("sshPrivateKey",)
Rule = Callable[[str], str | None]
"""The rule of the cluster that an answer breaks, or None."""


@dataclass(kw_only=True)
class Interview:
    """The configuration so far, and where further answers come from."""

    flags: dict[str, str | None]
    """Answers that were given on the command line, by the name of the question."""
    asks: bool
    """Whether somebody is asked; otherwise what is suggested is the answer."""
    values: dict[str, Any] = field(default_factory=dict)
    """The configuration's keys, without namespace."""

    def answer(
        self,
        name: str,
        question: str,
        place: Callable[[str], dict[str, Any]],
        *,
        default: str | None = None,
        rule: Rule = lambda _: None,
    ) -> str:
        """Get one answer that follows every rule, and put it where it belongs.

        Args:
            name: the question's option without dashes.
            question: the text that is shown.
            place: the keys of the configuration that an answer gives.
            default: what is suggested; None if nothing can be.
            rule: what the cluster requires beyond the parser's rules.

        Raises:
            OpsError: an answer from the command line is wrong, or one is missing and nobody is asked.

        """
        given = self.flags.get(name)
        if given is None and not self.asks:
            given = default
            if given is None:
                message = f"--{name} is required: {question}; nothing in the cluster suggests a value"
                raise OpsError(message)
        while True:
            text = given if given is not None else _asked(question, default)
            wrong = self._wrong(text, place) or rule(text)
            if wrong is None:
                self.values |= place(text)
                return text
            if given is not None:
                message = f"--{name} is refused ({wrong})"
                raise OpsError(message)
            ERR.print(f"  {wrong}", style="yellow", markup=False)

    def _wrong(self, text: str, place: Callable[[str], dict[str, Any]]) -> str | None:
        try:
            placed = place(text)
        except OSError as error:
            return f"found {text!r}: {error.strerror}; it must be a file that can be read"
        except ValueError as error:
            return str(error)
        # The parser reads an empty value as an absent key.
        if not text:
            return "it must not be empty"
        return problems({**self.values, **placed}, concerning=placed)


def problems(values: dict[str, Any], *, concerning: Collection[str]) -> str | None:
    """The parser's first problem with these keys; None if it has none. It may have others with keys still to come."""
    try:
        parse(values, encrypted=_SECRETS)
    except ConfigError as error:
        return next(
            (
                str(one)
                for one in error.problems
                if one.key.partition(".")[0] in concerning and "missing" not in one.found
            ),
            None,
        )
    return None


def labels(text: str) -> dict[str, str]:
    """The labels of an answer such as `node-type=worker,disk=ssd`.

    Raises:
        ValueError: a part of it is not NAME=VALUE.

    """
    pairs = [part.strip().partition("=") for part in text.split(",")]
    if not all(sign and name for name, sign, _ in pairs):
        message = f"found {text!r}; it must be labels as NAME=VALUE, with commas between them"
        raise ValueError(message)
    return {name: value for name, _, value in pairs}


def private_key(text: str) -> dict[str, str]:
    """The keys that the answer about the SSH key gives: none for `agent`, otherwise the file's content.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no text.

    """
    if text == "agent":
        return {}
    try:
        return {"sshPrivateKey": Path(text).expanduser().read_text(encoding="utf-8")}
    except UnicodeDecodeError:
        message = f"found {text!r}, which is no text; it must be the file of a private key, such as ~/.ssh/id_ed25519"
        raise ValueError(message) from None


def _asked(question: str, default: str | None) -> str:
    try:
        return str(Prompt.ask(Text(question), console=ERR, default=default if default is not None else "")).strip()
    except EOFError:
        message = "the input ended before the last question; nothing was written"
        raise OpsError(message) from None
