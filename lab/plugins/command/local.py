"""A command on this machine."""

import asyncio
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.plugins.command.output import STDERR, STDOUT, Log, Output, failure, previous
from lab.plugins.server import PluginError

_CHUNK = 65536


async def run(command: str, state: Mapping[str, Any], log: Log) -> dict[str, str]:
    """Run `command` by the state's interpreter; its outputs.

    Raises:
        PluginError: it did not start, or ended other than with status 0.
    """
    output = Output(state.get("logging") or "stdoutAndStderr", log)
    arguments = [*(state.get("interpreter") or ["/bin/sh", "-c"]), command]
    directory = state.get("dir") or str(Path.cwd())
    try:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.PIPE if state.get("stdin") else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=directory,
            env={**os.environ, **(state.get("environment") or {}), **previous(state)},
        )
    except OSError as error:
        reason = f"{_doing(directory, arguments[0])}: {(error.strerror or str(error)).lower()}"
        raise PluginError(failure(reason, command, output)) from error
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_copy(process.stdout, STDOUT, output))
            group.create_task(_copy(process.stderr, STDERR, output))
            group.create_task(_feed(process.stdin, state.get("stdin") or ""))
        status = await process.wait()
    except asyncio.CancelledError:
        process.kill()
        raise
    await output.close()
    if status:
        reason = f"exit status {status}" if status > 0 else f"signal: {_signal_words(-status)}"
        raise PluginError(failure(reason, command, output))
    return {STDOUT: output.of(STDOUT), STDERR: output.of(STDERR)}


def _doing(directory: str, program: str) -> str:
    return f"fork/exec {program}" if Path(directory).is_dir() else f"chdir {directory}"


def _signal_words(number: int) -> str:
    return (signal.strsignal(number) or f"signal {number}").lower()


async def _copy(stream: asyncio.StreamReader | None, name: str, output: Output) -> None:
    while stream is not None and (data := await stream.read(_CHUNK)):
        output.write(name, data)


async def _feed(stream: asyncio.StreamWriter | None, text: str) -> None:
    if stream is None:
        return
    try:
        stream.write(text.encode())
        await stream.drain()
        stream.close()
        await stream.wait_closed()
    except (BrokenPipeError, ConnectionResetError):
        pass  # a command need not read its input
