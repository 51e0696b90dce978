"""Writes that fail: each one by itself, and file systems that are full, read-only or hold an immutable file."""

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import PurePosixPath

import pytest

from components.node_files import CA_FILE
from tests.faults.campaign import carry_out
from tests.faults.faults import NO_ROOM, READ_ONLY, Fault
from tests.faults.invariants import FILLER, STORE, check_after_the_fault, check_after_the_next_run
from tests.faults.patient import HOSTS_TOML, REGISTRIES, ROUTE, Outcome, Patient
from tests.faults.snapshot import inside, restore
from tests.faults.tally import Tally

BUNDLE = f"{STORE}/ca-certificates.crt"
LOCAL = "/usr/local/share/ca-certificates"
Obstacle = Callable[[Patient, str], AbstractContextManager[None]]


@pytest.mark.timeout(14400)
@pytest.mark.parametrize(("fault", "every"), [(NO_ROOM, 37), (READ_ONLY, 41)], ids=str)
def test_a_write_that_fails_leaves_old_or_new_and_the_next_run_converges(
    ward: list[Patient], tally: Tally, fault: Fault, every: int, *, every_step: bool
) -> None:
    carry_out(ward, fault, 1 if every_step else every, tally)
    tally.check()


@contextlib.contextmanager
def full(patient: Patient, folder: str) -> Iterator[None]:
    """A file system of the folder's own, with what was in it and no byte of room."""
    script = f"""set -e
mkdir /tmp/copy && cp -a "$1/." /tmp/copy
mount -t tmpfs -o size=1m,mode="$(stat -c %a "$1")" tmpfs "$1"
cp -a /tmp/copy/. "$1" && rm -r /tmp/copy
cat /dev/zero >"$1/{FILLER}" 2>/dev/null || :"""
    patient.machine.run(["sh", "-c", script, "sh", folder])
    try:
        yield
    finally:
        patient.machine.run(["rm", f"{folder}/{FILLER}"])


@contextlib.contextmanager
def read_only(patient: Patient, folder: str) -> Iterator[None]:
    patient.machine.run(["sh", "-c", 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"', "sh", folder])
    try:
        yield
    finally:
        patient.machine.run(["umount", folder])


@contextlib.contextmanager
def immutable(patient: Patient, file: str) -> Iterator[None]:
    path = str(inside(patient.machine, file))
    done = subprocess.run(["chattr", "+i", path], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this computer's file system has no immutable files: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", path], capture_output=True, check=True)


SAYS: dict[Obstacle, str] = {
    full: "No space left on device",
    read_only: "Read-only file system",
    immutable: "Operation not permitted",
}


@pytest.mark.parametrize(
    ("obstacle", "place", "state"),
    [
        *((full, folder, "two") for folder in ("/etc/rancher/k3s", LOCAL, STORE)),
        *((full, folder, "rotated") for folder in ("/etc/rancher/k3s", STORE)),
        *((read_only, folder, "two") for folder in ("/etc/rancher/k3s", LOCAL, STORE, "/etc")),
        (read_only, str(PurePosixPath(HOSTS_TOML).parents[2]), "two"),
        *((read_only, folder, "rotated") for folder in ("/etc/rancher/k3s", LOCAL, STORE)),
        *((read_only, folder, "fresh") for folder in ("/etc/rancher/k3s", LOCAL, STORE)),
        (immutable, "/etc/hosts", "two"),
        (immutable, REGISTRIES, "two"),
        (immutable, BUNDLE, "two"),
        (immutable, CA_FILE, "rotated"),
        (immutable, BUNDLE, "rotated"),
        (immutable, "/etc/hosts", "fresh"),
        (immutable, REGISTRIES, "fresh"),
        (immutable, CA_FILE, "fresh"),
        (immutable, HOSTS_TOML, "fresh"),
        (immutable, BUNDLE, "fresh"),
    ],
    ids=lambda value: value.__name__ if callable(value) else str(value).replace("/", "_").replace(" ", "_"),
)
def test_a_place_that_takes_no_write_is_one_sentence_and_the_next_run_converges(
    ward: list[Patient], tally: Tally, obstacle: Obstacle, place: str, state: str
) -> None:
    patient = ward[0]
    before = ROUTE[ROUTE.index(state) - 1]
    restore(patient.machine, patient.states[before])
    seen: list[Outcome] = []

    hindrance = contextlib.ExitStack()

    def inject() -> None:
        hindrance.enter_context(obstacle(patient, place))
        outcome = patient.run(state)
        assert outcome.status == 1, outcome
        assert outcome.stdout == ""
        assert SAYS[obstacle] in outcome.stderr, outcome
        seen.append(outcome)

    def check() -> None:
        assert seen[0].stderr.startswith(f"node {patient.machine.name}: ")
        assert seen[0].stderr.count("\n") == 1
        check_after_the_fault(patient, patient.states[before], patient.states[state])
        hindrance.close()
        check_after_the_next_run(patient, state)

    try:
        with hindrance:
            tally.attempt(f"{obstacle.__name__} {place} on the way to {state}", inject, check)
    finally:
        if patient.machine.run(["mountpoint", "-q", place], check=False).returncode == 0:
            patient.machine.run(["umount", place])
        patient.recover("fresh")
    tally.check()
