"""A second sshd on a machine that holds each step of a script, so that a test can inject a fault there."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lab import network
from lab.machines import Machine
from lab.tests.waiting import wait_until
from tests.faults import steps
from tests.faults.interception import Held, answer, held_calls
from tests.faults.steps import Doing, OnStep, Step

PORT = 2222
KEEP = -1
"""Returned instead of an error: the step waits until it is released."""
HERE = Path(__file__).parent
SSHD = ("/usr/sbin/sshd", "-D", "-p", str(PORT), "-o", "PidFile=none")


@dataclass
class Watch:
    """The action at each step of a script, and the processes seen."""

    on_step: OnStep
    steps: list[Step] = field(default_factory=list)
    pids: set[int] = field(default_factory=set)
    """The processes of the script."""
    arguments: list[tuple[str, ...]] = field(default_factory=list)
    """The arguments of every program that it started."""
    turns: Counter[tuple[int, str, str, tuple[str, ...]]] = field(default_factory=Counter)
    failures: list[Exception] = field(default_factory=list)
    kept: list[Held] = field(default_factory=list)
    """The steps that wait for `Gate.release`."""

    def is_over(self) -> bool:
        """Whether every process of the script has ended."""
        return not any(steps.process(pid, "cmdline") for pid in tuple(self.pids))


class Gate:
    """The gate of one machine; it ends when the machine does and must then be opened again."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._watch: Watch | None = None
        self._shells: dict[int, int] = {}
        self._thread: threading.Thread | None = None
        self._sshd = 0
        self._listener = -1

    def open(self) -> None:
        """Start the sshd on PORT and wait until it answers; requires a running machine."""
        leader = self.machine.leader()
        assert leader is not None, f"{self.machine.name} does not run"
        ours, theirs = socket.socketpair()
        groups = [str(folder / "supervisor") for folder in self.machine.group.folders()]
        command = [
            sys.executable,
            str(HERE / "intercepted_sshd.py"),
            str(leader),
            str(theirs.fileno()),
            *groups,
            "--",
            *SSHD,
        ]
        environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1])}
        with ours, theirs:
            subprocess.run(
                command, env=environment, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, check=True, timeout=60
            )
            ours.settimeout(60)
            (listener,) = socket.recv_fds(ours, 1, 1)[1]
        self._thread = threading.Thread(target=self._supervise, args=(listener,), daemon=True)
        self._thread.start()
        address = self.machine.place.address
        wait_until(
            lambda: network.answers(self.machine.lab, address, PORT, expect=b"SSH-"), 60, "the gate's sshd", pause=0.05
        )

    def close(self) -> None:
        """End the sshd, if it runs, and the thread that watches it."""
        if self._sshd:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._sshd, signal.SIGKILL)
        if self._thread is not None:
            self._thread.join(timeout=60)
            assert not self._thread.is_alive(), "something still runs behind the gate"
        self._thread, self._sshd = None, 0

    @contextlib.contextmanager
    def watched(self, on_step: OnStep) -> Iterator[Watch]:
        """Call `on_step` for each step of a script while the block runs.

        It may end processes, and says the error that the step shall fail with: 0 for none, KEEP to keep it waiting.
        """
        watch = Watch(on_step)
        self._shells.clear()
        self._watch = watch
        try:
            yield watch
        finally:
            self._watch = None
            self.release(watch)
        if watch.failures:
            raise watch.failures[0]

    def release(self, watch: Watch) -> None:
        """Let the waiting steps continue."""
        while watch.kept:
            answer(self._listener, watch.kept.pop())

    def _supervise(self, listener: int) -> None:
        self._listener = listener
        for held in held_calls(listener):
            self._sshd = self._sshd or held.pid
            watch, error = self._watch, 0
            if watch is not None:
                try:
                    error = self._judge(watch, held)
                except Exception as failure:  # noqa: BLE001 whatever it is, the call must be answered and the test told
                    watch.failures.append(failure)
                if error == KEEP:
                    watch.kept.append(held)
                    continue
            answer(listener, held, error)
        os.close(listener)

    def _judge(self, watch: Watch, held: Held) -> int:
        shell = self._shells.get(held.pid) or steps.script_above(held.pid)
        if shell is None:
            return 0
        self._shells[held.pid] = shell
        watch.pids.add(held.pid)
        watch.pids.add(shell)
        found = steps.described(held)
        if found is None:
            return 0
        watch.turns[(shell, *found)] += 1
        step = Step(*found, watch.turns[(shell, *found)])
        arguments = steps.arguments(held) if held.call == "execve" else ()
        watch.steps.append(step)
        watch.arguments.append(arguments)
        return watch.on_step(Doing(step, held.pid, shell, arguments))


def connections_above(shell: int) -> list[int]:
    """The sshd processes of the connection that runs a script, without the listening one."""
    daemons = [pid for pid in steps.ancestors(shell) if steps.process(pid, "comm").strip() == b"sshd"]
    return daemons[:-1]


def ended_by(pid: int) -> None:
    """Wait until a process that was sent SIGKILL has ended.

    Raises:
        AssertionError: it is not within 10 s.
    """
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([handle], [], [], 10)[0], f"process {pid} outlived SIGKILL"
    finally:
        os.close(handle)
