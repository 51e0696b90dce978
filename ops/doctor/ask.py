"""Asks all nodes at once, within bounds of number and time."""

import asyncio
import contextlib
from asyncio.subprocess import PIPE
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.nodes import script
from ops.doctor import ssh
from ops.doctor.checks import HOST_KEY, REACHABLE, Check, Finding, Outcome
from ops.doctor.targets import Asked, Target
from ops.failure import OpsError


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long one node may take, and how many are asked at once."""

    seconds: int
    at_once: int


async def ask_all(asked: Asked, patience: Patience) -> list[Finding]:
    """What each node says, in the order of the targets."""
    turns = asyncio.Semaphore(patience.at_once)
    with ssh.way(asked) as way:

        async def take_turn(target: Target) -> Finding:
            if target.node is not None and target.node.offline:
                return Finding(node=target.name, offline=True)
            async with turns:
                return await _ask(way, target, asked.user, patience.seconds)

        return list(await asyncio.gather(*map(take_turn, asked.targets)))


async def _ask(way: ssh.Way, target: Target, user: str | None, seconds: int) -> Finding:
    command = way.command(target, user)
    try:
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    except FileNotFoundError:
        message = "ssh is not on PATH: nodes are asked by OpenSSH's client; install it (openssh-client)"
        raise OpsError(message) from None
    try:
        async with asyncio.timeout(seconds):
            printed, complaint = await process.communicate(target.stdin().encode())
    except TimeoutError:
        sentence = f"no answer within {seconds} seconds; look whether the node hangs, or allow more with --timeout"
        return _unanswered(target, REACHABLE, sentence)
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    error = complaint.decode(errors="replace")
    if process.returncode == 0:
        with contextlib.suppress(ValueError, LookupError):
            return _answered(target, script.answer(printed.decode(errors="replace")))
    status, jump_said = process.returncode or 0, way.jump_said(target)
    return _unanswered(target, *await asyncio.to_thread(ssh.explain, target, status, error, jump_said))


def _answered(target: Target, answer: Mapping[str, Any]) -> Finding:
    name = target.name.rpartition("@")[2]
    checks = {
        check: Check(
            outcome=Outcome(said["outcome"]),
            sentence=said["sentence"].removeprefix(f"node {name}: "),
        )
        for check, said in answer["checks"].items()
    }
    reached = {REACHABLE: Check(outcome=Outcome.OK), HOST_KEY: Check(outcome=Outcome.OK)}
    return Finding(node=target.name, version=answer["version"], checks=reached | checks)


def _unanswered(target: Target, check: str, sentence: str) -> Finding:
    before = {REACHABLE: Check(outcome=Outcome.OK)} if check == HOST_KEY else {}
    return Finding(node=target.name, checks=before | {check: Check(outcome=Outcome.FAILED, sentence=sentence)})
