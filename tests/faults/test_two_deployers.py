"""Two simultaneous runs on a node: the second starts while the first is held at a step, where it then ends or dies."""

import os
import signal
import threading

import pytest

from lab.tests.waiting import wait_until
from tests.faults.gate import KEEP, ended_by
from tests.faults.invariants import check_after_the_next_run, leftovers
from tests.faults.node_under_fault import NodeUnderFault, Outcome
from tests.faults.snapshot import differences, restore, snapshot
from tests.faults.steps import Doing, Step, process
from tests.faults.tally import Tally

MEETINGS = [("two", "two"), ("two", "rotated"), ("two", "fresh"), ("rotated", "fresh"), ("fresh", "two")]
"""The action of the first run, and that of the second."""
BEGIN = {"two": "fresh", "rotated": "two", "fresh": "rotated"}
EVERY = 307
EVERY_OF_ALL = 31
"""A meeting takes seconds, and what matters at the step is tried without one too."""


class Meeting:
    """A first run, held at a step until a second one waits for it."""

    def __init__(self, node: NodeUnderFault, step: Step) -> None:
        self.node = node
        self.step = step
        self.first = 0
        self.second_waits = threading.Event()

    def __call__(self, doing: Doing) -> int:
        if not self.first and doing.step == self.step:
            self.first = doing.shell
            return KEEP
        if self.first and doing.step.call == "execve" and doing.arguments[:1] == ("sleep",):
            self.second_waits.set()
        return 0

    def run(self, first: str, second: str, *, first_dies: bool) -> tuple[Outcome, Outcome]:
        """Run both and return their outcomes."""
        node = self.node
        with node.gate.watched(self) as watch:
            one = node.start(first)
            assert one.stdin is not None
            one.stdin.write(node.text(first))
            one.stdin.close()
            one.stdin = None
            wait_until(lambda: self.first, 30, f"the first run comes to {self.step}", pause=0.02)
            other = node.start(second)
            outcomes: list[Outcome] = []
            waiting = threading.Thread(target=lambda: outcomes.append(node.finish(other, node.text(second))))
            waiting.start()
            assert self.second_waits.wait(30), "the second run does not wait for the lock"
            if first_dies:
                os.kill(self.first, signal.SIGKILL)
                ended_by(self.first)
            node.gate.release(watch)
            ended = node.finish(one, None)
            waiting.join(timeout=120)
            wait_until(watch.is_over, 60, "the end of every process of both runs", pause=0.02)
        return ended, outcomes[0]


def _held_steps(node: NodeUnderFault, state: str, *, every_step: bool) -> list[Step]:
    """The steps of a run during which it holds the lock."""
    steps = node.steps[state]
    taken = next(
        place for place, step in enumerate(steps) if step.call.startswith("symlink") and "lock" in step.paths[0]
    )
    freed = max(place for place, step in enumerate(steps) if step.call.startswith("unlink") and "lock" in step.paths[0])
    held = steps[taken + 1 : freed]
    every = EVERY_OF_ALL if every_step else EVERY
    return held[every // 2 :: every]


@pytest.mark.timeout(14400)
@pytest.mark.parametrize("first_dies", [False, True], ids=["both end", "the first dies"])
@pytest.mark.parametrize(("first", "second"), MEETINGS)
def test_two_runs_at_once_end_as_one_after_the_other(
    nodes_under_fault: list[NodeUnderFault],
    tally: Tally,
    first: str,
    second: str,
    *,
    first_dies: bool,
    every_step: bool,
) -> None:
    node = nodes_under_fault[0]
    for step in _held_steps(node, first, every_step=every_step):
        restore(node.machine, node.states[BEGIN[first]])
        meeting = Meeting(node, step)
        ends: list[Outcome] = []

        def inject(meeting: Meeting = meeting, ends: list[Outcome] = ends) -> None:
            ends.extend(meeting.run(first, second, first_dies=first_dies))
            assert not process(meeting.first, "cmdline")

        def check(ends: list[Outcome] = ends) -> None:
            assert (ends[0].status != 0) == first_dies, ends
            if not first_dies:
                assert ends[0].changed
            if first_dies and second == BEGIN[first]:
                # Whether the second changes anything depends on how far the first got.
                assert ends[1].status == 0, ends
            else:
                assert ends[1].changed == (first_dies or first != second)
            assert differences(node.states[second], snapshot(node.machine)) == []
            assert leftovers(node.machine) == []
            check_after_the_next_run(node, second)

        if not tally.attempt(f"{first} and {second}, met at [{step}]", inject, check):
            node.recover("fresh")
    node.recover("fresh")
    tally.check()
