"""A command on another machine, over its own SSH connection."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from signal import Signals
from typing import Any, Final

import asyncssh
from asyncssh.packet import SSHPacket, String

from lab.plugins.command.connection import Connection, Pause
from lab.plugins.command.output import STDERR, STDOUT, Log, Output, failure, previous, quoted
from lab.plugins.server import PluginError

_SIGNAL_BASE: Final = 128
_WINDOW: Final = 2 * 1024 * 1024
_PACKET: Final = 32 * 1024
_NOTHING_ELSE: Final[dict[str, Any]] = {
    "subsystem": None,
    "env": {},
    "request_pty": False,
    "term_type": None,
    "term_size": None,
    "term_modes": {},
    "x11_forwarding": False,
    "x11_display": None,
    "x11_auth_path": None,
    "x11_single_connection": False,
    "agent_forwarding": False,
}


async def run(command: str, state: Mapping[str, Any], log: Log, warn: Log, pause: Pause) -> dict[str, str]:
    """Connect, run `command` by the login shell, disconnect; its outputs.

    Raises:
        PluginError: no connection, a refused variable of `environment`, or an end other than status 0.
    """
    output = Output(state.get("logging") or "stdoutAndStderr", log)
    async with AsyncExitStack() as stack:
        connection = await Connection.read(state["connection"]).open(stack, pause)
        session = _Session(output)
        channel = _Channel(connection, asyncio.get_running_loop(), "strict", None, "strict", _WINDOW, _PACKET)
        channel.demanded = dict(state.get("environment") or {})
        channel.wished = previous(state)
        try:
            await channel.create(lambda: session, command, **_NOTHING_ELSE)
        except (asyncssh.Error, OSError) as error:
            message = f"ssh: {getattr(error, 'reason', error)}"
            raise PluginError(message) from error
        finally:
            for name in channel.refused:
                await warn(
                    f"{name} was not passed on: the SSH server does not accept it (AcceptEnv in its configuration). "
                    "Set addPreviousOutputInEnv to false if the command does not need it."
                )
        with suppress(BrokenPipeError, ConnectionError):  # a command need not read its input
            if state.get("stdin"):
                channel.write(state["stdin"].encode())
            channel.write_eof()
        await session.ended
        await output.close()
    if session.reason:
        raise PluginError(failure(session.reason, command, output))
    return {STDOUT: output.of(STDOUT), STDERR: output.of(STDERR)}


class _Channel(asyncssh.SSHClientChannel[bytes]):
    """A session channel that requests environment variables and waits for the answer; asyncssh ignores the answer."""

    demanded: Mapping[str, str]
    wished: Mapping[str, str]
    refused: list[str]

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.demanded, self.wished, self.refused = {}, {}, []

    async def _open(self, chantype: bytes, *args: bytes) -> SSHPacket:
        # Only here, between opening the channel and starting the command, can a refusal still stop the command.
        packet = await super()._open(chantype, *args)
        for name, value in self.demanded.items():
            if not await self._make_request(b"env", String(name), String(value)):
                self.close()
                message = f"could not set environment variable {quoted(name)}: ssh: setenv failed"
                raise PluginError(message)
        self.refused = [
            name
            for name, value in self.wished.items()
            if not await self._make_request(b"env", String(name), String(value))
        ]
        return packet


class _Session(asyncssh.SSHClientSession[bytes]):
    """Collects what the command writes and how it ends."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.reason = "wait: remote command exited without exit status or exit signal"

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._output.write(STDERR if datatype == asyncssh.EXTENDED_DATA_STDERR else STDOUT, data)

    def exit_status_received(self, status: int) -> None:
        self.reason = f"Process exited with status {status}" if status else ""

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:  # noqa: FBT001  # the base class asks so
        del core_dumped, lang
        number = getattr(Signals, f"SIG{signal}", 0)
        self.reason = f"Process exited with status {_SIGNAL_BASE + number} from signal {signal}"
        if msg:
            self.reason += f". Reason was: {msg}"

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if not self.ended.done():
            self.ended.set_result(None)
