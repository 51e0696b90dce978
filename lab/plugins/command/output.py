"""The output of a command, stored, logged and quoted as upstream does."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

STDOUT: Final = "stdout"
STDERR: Final = "stderr"

_LOGGED: Final = {
    "none": frozenset[str](),
    "stdout": frozenset({STDOUT}),
    "stderr": frozenset({STDERR}),
    "stdoutAndStderr": frozenset({STDOUT, STDERR}),
}
MODES: Final = tuple(_LOGGED)
"""The values of `logging`."""

Log = Callable[[str], Awaitable[None]]
"""Shows one line at the resource."""


def previous(state: Mapping[str, Any]) -> dict[str, str]:
    """The variables with the output of the previous command, unless the settings disable them."""
    if state.get("addPreviousOutputInEnv") is False:
        return {}
    return {f"PULUMI_COMMAND_{name.upper()}": state[name] for name in (STDOUT, STDERR) if state.get(name)}


@dataclass
class Output:
    """Both output streams of a command: separate, combined in order of arrival, and line by line in the log."""

    mode: str
    log: Log
    _parts: list[tuple[str, bytes]] = field(default_factory=list)
    _pending: bytes = b""
    _lines: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue)
    _logging: asyncio.Task[None] | None = None

    def write(self, stream: str, data: bytes) -> None:
        """Add `data` of `stream` (`STDOUT` or `STDERR`)."""
        self._parts.append((stream, data))
        if stream not in _LOGGED[self.mode]:
            return
        *lines, self._pending = (self._pending + data).split(b"\n")
        for line in lines:
            self._show(line)

    async def close(self) -> None:
        """Wait until every line is in the engine's log."""
        if self._pending:
            self._show(self._pending)
            self._pending = b""
        if self._logging is not None:
            self._lines.put_nowait(None)
            await self._logging

    def of(self, stream: str) -> str:
        """The whole stream, without one newline at its end."""
        return _text(b"".join(data for name, data in self._parts if name == stream)).removesuffix("\n")

    def together(self) -> str:
        """Both streams in order of arrival."""
        return _text(b"".join(data for _, data in self._parts))

    def _show(self, line: bytes) -> None:
        if self._logging is None:
            self._logging = asyncio.create_task(self._send())
        self._lines.put_nowait(_text(line))

    async def _send(self) -> None:
        while (line := await self._lines.get()) is not None:
            await self.log(line)


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def quoted(text: str) -> str:
    """`text` between double quotes as Go's `%q` writes it."""
    named = {'"': '\\"', "\\": "\\\\", "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    named["\v"] = "\\v"

    def one(character: str) -> str:
        if character in named:
            return named[character]
        if character.isprintable():
            return character
        code = ord(character)
        if code < 0x80:  # noqa: PLR2004  # the end of ASCII
            return f"\\x{code:02x}"
        return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004  # the end of the BMP

    return '"' + "".join(map(one, text)) + '"'


def failure(reason: str, command: str, output: Output) -> str:
    """Upstream's message for a failed command: the reason, the command, all output; never the standard input."""
    return f"{reason}: running {quoted(command)}:\n{output.together()}"
