"""A connection that ends before the whole script has arrived: no part of the script may run."""

import pytest

from lab.tests.waiting import wait_until
from tests.faults.invariants import leftovers
from tests.faults.node_under_fault import ROUTE, NodeUnderFault
from tests.faults.snapshot import differences, identities, snapshot
from tests.faults.tally import Tally

PIECES = 12


@pytest.mark.parametrize("state", ROUTE[:1])
def test_a_text_that_is_cut_short_changes_nothing(
    nodes_under_fault: list[NodeUnderFault], tally: Tally, state: str
) -> None:
    node = nodes_under_fault[0]
    text = node.text(state)
    # The first byte, the last but two (the end of the line that runs the script), and between them.
    sizes = [1, *range(len(text) // PIECES, len(text) - 2, len(text) // PIECES), len(text) - 2]
    for size in sizes:
        before = identities(node.machine)

        def inject(size: int = size) -> None:
            with node.gate.watched(lambda _: 0) as watch:
                outcome = node.finish(node.start(state), text[:size])
                wait_until(watch.is_over, 30, "the end of every process of the run", pause=0.02)
            assert "changed" not in outcome.stdout, outcome

        def check(before: dict[str, tuple[int, int]] = before) -> None:
            assert identities(node.machine) == before
            assert leftovers(node.machine) == []

        tally.attempt(f"{size} of {len(text)} bytes came", inject, check)
    assert node.run(state).changed
    assert differences(node.states[state], snapshot(node.machine)) == []
    node.recover("fresh")
    tally.check()
