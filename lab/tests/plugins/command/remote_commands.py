"""Remote commands against an in-process server, which runs only during the command."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from lab.plugins.command.provider import REMOTE, CommandProvider
from lab.plugins.server import PluginError
from lab.tests.plugins.calls import create
from lab.tests.plugins.command.ssh_servers import InProcessServer, RecordedLog


def run_on(server: InProcessServer, inputs: Mapping[str, Any], **connection: Any) -> dict[str, Any]:
    """Create a command on `server`, which runs only during the command."""

    async def body() -> dict[str, Any]:
        async with server.running():
            fields = {"connection": server.connection(**connection), **inputs}
            state = (await create(CommandProvider(RecordedLog()), REMOTE, fields)).state
            await until(lambda: server.now_open == 0)
            return state

    return asyncio.run(body())


def failure_on(server: InProcessServer, inputs: Mapping[str, Any], **connection: Any) -> str:
    with pytest.raises(PluginError) as caught:
        run_on(server, inputs, **connection)
    return str(caught.value)


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # what is waited for belongs to asyncssh and to other processes
            await asyncio.sleep(0.01)
