"""One kind of fault at many steps of the way round: first apply, other authorities, remove."""

import itertools
import logging
import queue
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.faults.faults import Fault, Injection
from tests.faults.invariants import check_after_the_fault, check_after_the_next_run, check_journal
from tests.faults.patient import ROUTE, Patient
from tests.faults.steps import Step
from tests.faults.tally import Tally

log = logging.getLogger(__name__)
Round = tuple[Step | None, ...]
"""A step for each state of ROUTE on the way to which a fault comes; None: the way is gone undisturbed."""


def rounds(patient: Patient, fault: Fault, every: int) -> list[Round]:
    """Every `every`-th step that the fault fits, of each way, joined to rounds."""
    chosen = [[step for step in patient.steps[state] if fault.fits(step)][every // 2 :: every] for state in ROUTE]
    return list(itertools.zip_longest(*chosen))


def carry_out(ward: Sequence[Patient], fault: Fault, every: int, tally: Tally) -> None:
    """Put the fault in at every `every`-th step, on all patients side by side."""
    waiting: queue.SimpleQueue[Round] = queue.SimpleQueue()
    planned = rounds(ward[0], fault, every)
    log.info("%s at %d steps", fault, sum(step is not None for one in planned for step in one))
    for one in planned:
        waiting.put(one)

    def treat(patient: Patient) -> None:
        while True:
            try:
                one = waiting.get_nowait()
            except queue.Empty:
                break
            for state, step in zip(ROUTE, one, strict=True):
                if step is None:
                    assert patient.run(state).changed
                else:
                    _try(patient, fault, step, state, tally)
        check_journal(patient)

    with ThreadPoolExecutor(len(ward)) as pool:
        for done in [pool.submit(treat, patient) for patient in ward]:
            done.result()


def _try(patient: Patient, fault: Fault, step: Step, state: str, tally: Tally) -> None:
    before = ROUTE[ROUTE.index(state) - 1]
    injection = Injection(fault, patient, step)

    def inject() -> None:
        outcome, _ = patient.watched_run(state, injection)
        injection.check(outcome)
        if fault.ends_machine:
            patient.power_on()

    def check() -> None:
        check_after_the_fault(patient, patient.states[before], patient.states[state])
        check_after_the_next_run(patient, state)

    what = f"{patient.machine.name}: {fault.name} on the way from {before} to {state} at [{step}]"
    if not tally.attempt(what, inject, check):
        patient.recover(state)
