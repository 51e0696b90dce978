"""Injects one kind of fault at many steps of a round of runs: first apply, other authorities, remove."""

import itertools
import logging
import queue
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.faults.faults import Fault, Injection
from tests.faults.invariants import check_after_the_fault, check_after_the_next_run, check_journal
from tests.faults.node_under_fault import ROUTE, NodeUnderFault
from tests.faults.steps import Step
from tests.faults.tally import Tally

log = logging.getLogger(__name__)
Round = tuple[Step | None, ...]
"""For each state of ROUTE, the step of the run to it that gets the fault, or None for a run without a fault."""


def rounds(node: NodeUnderFault, fault: Fault, every: int) -> list[Round]:
    """Every `every`-th step of each run that the fault fits, combined into rounds."""
    chosen = [[step for step in node.steps[state] if fault.fits(step)][every // 2 :: every] for state in ROUTE]
    return list(itertools.zip_longest(*chosen))


def carry_out(nodes_under_fault: Sequence[NodeUnderFault], fault: Fault, every: int, tally: Tally) -> None:
    """Inject the fault at every `every`-th step, on all nodes in parallel."""
    waiting: queue.SimpleQueue[Round] = queue.SimpleQueue()
    planned = rounds(nodes_under_fault[0], fault, every)
    log.info("%s at %d steps", fault, sum(step is not None for one in planned for step in one))
    for one in planned:
        waiting.put(one)

    def treat(node: NodeUnderFault) -> None:
        while True:
            try:
                one = waiting.get_nowait()
            except queue.Empty:
                break
            for state, step in zip(ROUTE, one, strict=True):
                if step is None:
                    assert node.run(state).changed
                else:
                    _try(node, fault, step, state, tally)
        check_journal(node)

    with ThreadPoolExecutor(len(nodes_under_fault)) as pool:
        for done in [pool.submit(treat, node) for node in nodes_under_fault]:
            done.result()


def _try(node: NodeUnderFault, fault: Fault, step: Step, state: str, tally: Tally) -> None:
    before = ROUTE[ROUTE.index(state) - 1]
    injection = Injection(fault, node, step)

    def inject() -> None:
        outcome, _ = node.watched_run(state, injection)
        injection.check(outcome)
        if fault.ends_machine:
            node.power_on()

    def check() -> None:
        check_after_the_fault(node, node.states[before], node.states[state])
        check_after_the_next_run(node, state)

    what = f"{node.machine.name}: {fault.name} on the way from {before} to {state} at [{step}]"
    if not tally.attempt(what, inject, check):
        node.recover(state)
