"""The faults that can be injected at one step of a run."""

import contextlib
import errno
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.gate import connections_above, ended_by
from tests.faults.node_under_fault import NodeUnderFault, Outcome
from tests.faults.steps import CHANGES, TAKES_ROOM, Doing, Step, ancestors, process

GONE = 255
"""ssh(1): the connection ended before the command did."""
MEMORY = ("/tmp/", "/run/")  # noqa: S108 recognised, not written
"""File systems in memory, which do not become read-only when a disk fails."""


@dataclass(frozen=True)
class Fault:
    """A kind of fault."""

    name: str
    strikes: Callable[[NodeUnderFault, Doing], int]
    """Carries the fault out while a step is held; returns the error with which the step must fail."""
    fits: Callable[[Step], bool] = lambda _: True
    """Whether the fault can happen at a given step."""
    status: int | None = None
    """The client's required exit status; None means any failure."""
    lasts: bool = False
    """Whether the fault also happens at every later step that it fits."""
    may_end_well: bool = False
    """Whether the script may succeed without the step."""
    ends_machine: bool = False

    def __str__(self) -> str:
        return self.name


@dataclass
class Injection:
    """A fault that is to happen at one step."""

    fault: Fault
    node: NodeUnderFault
    step: Step
    has_struck: bool = False

    def __call__(self, doing: Doing) -> int:
        """Carry the fault out when the run reaches the step."""
        if self.has_struck:
            again = self.fault.lasts and self.fault.fits(doing.step)
            return self.fault.strikes(self.node, doing) if again else 0
        if doing.step != self.step:
            return 0
        self.has_struck = True
        return self.fault.strikes(self.node, doing)

    def check(self, outcome: Outcome) -> None:
        """Fail when the fault has not happened.

        Raises:
            AssertionError: it has not.
        """
        assert self.has_struck, f"the run never came to {self.step}"
        if self.fault.may_end_well:
            if outcome.status != 0:
                assert outcome.stdout == "", outcome
                assert outcome.stderr.startswith(f"node {self.node.machine.name}: "), outcome
                assert outcome.stderr.count("\n") == 1, outcome
        elif self.fault.status is None:
            assert outcome.status != 0, outcome
        else:
            assert outcome.status == self.fault.status, outcome


def _kill(pids: list[int]) -> None:
    for pid in pids:
        # The end of its parent has already ended it.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for pid in pids:
        ended_by(pid)


def _kill_shell(_: NodeUnderFault, doing: Doing) -> int:
    _kill([doing.shell])
    return 0


def _kill_session(_: NodeUnderFault, doing: Doing) -> int:
    # The step's process is killed before the shell, which would otherwise see its child die and continue.
    chain = ancestors(doing.pid)
    above = ancestors(doing.shell)
    connection = connections_above(doing.shell)
    _kill([doing.shell, *(pid for pid in chain if pid not in above), *above[1 : above.index(connection[-1]) + 1]])
    return 0


def _cut(_: NodeUnderFault, doing: Doing) -> int:
    _kill(connections_above(doing.shell))
    assert process(doing.shell, "cmdline"), "the script ended with its connection, before it was let go on"
    return 0


def _pull_the_plug(node: NodeUnderFault, _: Doing) -> int:
    node.machine.kill()
    return 0


def _on_disk(step: Step) -> bool:
    return step.call in CHANGES and not step.paths[-1].startswith(MEMORY)


KILLED_SHELL = Fault("the shell is killed", _kill_shell)
KILLED_SESSION = Fault("all of the session is killed", _kill_session, status=GONE)
CUT = Fault("the connection is cut", _cut, status=GONE)
NO_ROOM = Fault(
    "no room", lambda _, __: errno.ENOSPC, fits=lambda step: step.call in TAKES_ROOM, may_end_well=True
)  # fmt: skip
READ_ONLY = Fault("the disk becomes read-only", lambda _, __: errno.EROFS, fits=_on_disk, lasts=True, may_end_well=True)
POWER = Fault("power fails", _pull_the_plug, status=GONE, ends_machine=True)
