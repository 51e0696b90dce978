"""The `connection` input, and the SSH connection that it describes."""

import asyncio
import errno
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final, Self

import asyncssh

from lab.plugins.command.authentication import Authentication, Credentials, host_key, private_key
from lab.plugins.command.connection_fields import with_defaults
from lab.plugins.server import PluginError

_UNLIMITED: Final = -1
_FIRST_PAUSE: Final = 0.1
_PAUSE_GROWTH: Final = 1.5
_LONGEST_PAUSE: Final = 5.0
_WORDS: Final = {
    errno.ECONNREFUSED: "connection refused",
    errno.EHOSTUNREACH: "no route to host",
    errno.ENETUNREACH: "network is unreachable",
    errno.ETIMEDOUT: "connection timed out",
}

Pause = Callable[[float], Awaitable[None]]
"""Waits some seconds between two dials; raises if the operation is cancelled."""


class DialError(Exception):
    """A failed attempt to connect; another attempt may succeed."""


@dataclass(frozen=True)
class Connection:
    """Address, user, number of attempts (see `connection_fields`) and proxy of a connection."""

    fields: Mapping[str, Any]
    proxy: Mapping[str, Any] | None

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> Self:
        """The connection of a checked input or of a state; absent fields get upstream's defaults."""
        filled = with_defaults(plain)
        return cls(filled, filled.get("proxy"))

    async def open(self, stack: AsyncExitStack, pause: Pause) -> asyncssh.SSHClientConnection:
        """An authenticated connection, closed with `stack`.

        Raises:
            PluginError: a key does not parse, the agent does not answer, or the last attempt failed.
        """
        credentials = await _credentials(self.fields, stack)
        tunnel = None
        if self.proxy is not None:
            through = await _credentials(self.proxy, stack)
            tunnel = await _dial(self.proxy, through, None, pause)
            stack.push_async_callback(_close, tunnel)
        connection = await _dial(self.fields, credentials, tunnel, pause)
        stack.push_async_callback(_close, connection)
        return connection


async def _credentials(fields: Mapping[str, Any], stack: AsyncExitStack) -> Credentials:
    key = None
    if "privateKey" in fields:
        key = private_key(fields["privateKey"], fields.get("privateKeyPassword"))
    agent_keys = None
    agent_path = fields.get("agentSocketPath", os.environ.get("SSH_AUTH_SOCK") or None)
    # An agent socket without a listener fails the operation, even if a key is given and the agent is never used.
    if agent_path is not None:
        try:
            agent = await asyncssh.connect_agent(agent_path)
        except OSError as error:
            message = f"dial unix {agent_path}: connect: {(error.strerror or str(error)).lower()}"
            raise PluginError(message) from error
        stack.push_async_callback(agent.wait_closed)
        stack.callback(agent.close)
        agent_keys = agent.get_keys
    pinned = host_key(fields["hostKey"]) if "hostKey" in fields else None
    return Credentials(fields["user"], key, fields.get("password"), agent_keys, pinned)


async def _dial(
    fields: Mapping[str, Any], credentials: Credentials, tunnel: asyncssh.SSHClientConnection | None, pause: Pause
) -> asyncssh.SSHClientConnection:
    limit, failures, wait = int(fields["dialErrorLimit"]), 0, _FIRST_PAUSE
    while True:
        try:
            return await _attempt(fields, credentials, tunnel)
        except DialError as error:
            if limit != _UNLIMITED and failures >= limit:
                message = f"after {failures} failed attempts: {error}"
                raise PluginError(message) from error
        failures += 1
        await pause(wait)
        wait = min(wait * _PAUSE_GROWTH, _LONGEST_PAUSE)


async def _attempt(
    fields: Mapping[str, Any], credentials: Credentials, tunnel: asyncssh.SSHClientConnection | None
) -> asyncssh.SSHClientConnection:
    host, port = fields["host"], int(fields["port"])
    authentication = Authentication(credentials)
    link: dict[str, Any] = {"tunnel": tunnel} if tunnel else {"sock": await _tcp(host, port, fields["perDialTimeout"])}
    try:
        return await asyncssh.connect(host, port, **link, **authentication.options())
    except asyncssh.ChannelOpenError as error:
        message = f"ssh: rejected: connect failed ({error.reason})"
        raise DialError(message) from error
    except (asyncssh.Error, OSError) as error:
        if "sock" in link:
            link["sock"].close()
        message = f"ssh: handshake failed: {authentication.explain(error)}"
        raise DialError(message) from error


async def _tcp(host: str, port: int, timeout: float) -> socket.socket:  # noqa: ASYNC109  # upstream's own bound
    loop = asyncio.get_running_loop()
    try:
        addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        message = f"dial tcp: lookup {host}: no such host"
        raise DialError(message) from error
    failures = []
    for family, kind, protocol, _, address in addresses:
        shown = f"[{address[0]}]:{port}" if family == socket.AF_INET6 else f"{address[0]}:{port}"
        connection = socket.socket(family, kind, protocol)
        connection.setblocking(False)  # noqa: FBT003  # the only way to say it
        try:
            async with asyncio.timeout(timeout or None):
                await loop.sock_connect(connection, address)
        except TimeoutError:
            connection.close()
            failures.append(f"dial tcp {shown}: i/o timeout")
        except OSError as error:
            connection.close()
            words = _WORDS.get(error.errno or 0) or (error.strerror or str(error)).lower()
            failures.append(f"dial tcp {shown}: connect: {words}")
        else:
            return connection
    raise DialError(failures[0])


async def _close(connection: asyncssh.SSHClientConnection) -> None:
    connection.close()
    await connection.wait_closed()
