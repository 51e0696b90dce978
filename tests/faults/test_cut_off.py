"""Runs that are cut off: by the end of the shell, its session, its connection or the machine."""

import pytest

from tests.faults.campaign import carry_out
from tests.faults.faults import CUT, KILLED_SESSION, KILLED_SHELL, POWER, Fault
from tests.faults.node_under_fault import NodeUnderFault
from tests.faults.tally import Tally


@pytest.mark.timeout(14400)
@pytest.mark.parametrize(
    ("fault", "every"), [(KILLED_SHELL, 61), (KILLED_SESSION, 67), (CUT, 71), (POWER, 151)], ids=str
)
def test_a_run_that_is_cut_off_leaves_old_or_new_and_the_next_one_converges(
    nodes_under_fault: list[NodeUnderFault], tally: Tally, fault: Fault, every: int, *, every_step: bool
) -> None:
    carry_out(nodes_under_fault, fault, 1 if every_step else every, tally)
    tally.check()
