"""A connection that ends while the script is still on its way: nothing of it may run."""

import pytest

from lab.tests.waiting import wait_until
from tests.faults.invariants import leftovers
from tests.faults.patient import ROUTE, Patient
from tests.faults.snapshot import differences, identities, snapshot
from tests.faults.tally import Tally

PIECES = 12


@pytest.mark.parametrize("state", ROUTE[:1])
def test_a_text_that_is_cut_short_changes_nothing(ward: list[Patient], tally: Tally, state: str) -> None:
    patient = ward[0]
    text = patient.text(state)
    # The first byte, the last but two (the end of the line that runs the script), and between them.
    sizes = [1, *range(len(text) // PIECES, len(text) - 2, len(text) // PIECES), len(text) - 2]
    for size in sizes:
        before = identities(patient.machine)

        def inject(size: int = size) -> None:
            with patient.gate.watched(lambda _: 0) as watch:
                outcome = patient.finish(patient.start(state), text[:size])
                wait_until(watch.is_over, 30, "the end of every process of the run", pause=0.02)
            assert "changed" not in outcome.stdout, outcome

        def check(before: dict[str, tuple[int, int]] = before) -> None:
            assert identities(patient.machine) == before
            assert leftovers(patient.machine) == []

        tally.attempt(f"{size} of {len(text)} bytes came", inject, check)
    assert patient.run(state).changed
    assert differences(patient.states[state], snapshot(patient.machine)) == []
    patient.recover("fresh")
    tally.check()
