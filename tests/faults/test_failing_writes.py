"""Failing writes: each single one, and file systems that are full, read-only or contain an immutable file."""

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import PurePosixPath

import pytest

from components.nodes.files import CA_FILE
from tests.faults.campaign import carry_out
from tests.faults.faults import NO_ROOM, READ_ONLY, Fault
from tests.faults.invariants import FILLER, STORE, check_after_the_fault, check_after_the_next_run
from tests.faults.node_under_fault import HOSTS_TOML, REGISTRIES, ROUTE, NodeUnderFault, Outcome
from tests.faults.snapshot import inside, restore
from tests.faults.tally import Tally

BUNDLE = f"{STORE}/ca-certificates.crt"
LOCAL = "/usr/local/share/ca-certificates"
Obstacle = Callable[[NodeUnderFault, str], AbstractContextManager[None]]


@pytest.mark.timeout(14400)
@pytest.mark.parametrize(("fault", "every"), [(NO_ROOM, 37), (READ_ONLY, 41)], ids=str)
def test_a_write_that_fails_leaves_old_or_new_and_the_next_run_converges(
    nodes_under_fault: list[NodeUnderFault], tally: Tally, fault: Fault, every: int, *, every_step: bool
) -> None:
    carry_out(nodes_under_fault, fault, 1 if every_step else every, tally)
    tally.check()


@contextlib.contextmanager
def full(node: NodeUnderFault, folder: str) -> Iterator[None]:
    """A file system of the folder's own, with what was in it and no byte of room."""
    script = f"""set -e
mkdir /tmp/copy && cp -a "$1/." /tmp/copy
mount -t tmpfs -o size=1m,mode="$(stat -c %a "$1")" tmpfs "$1"
cp -a /tmp/copy/. "$1" && rm -r /tmp/copy
cat /dev/zero >"$1/{FILLER}" 2>/dev/null || :"""
    node.machine.run(["sh", "-c", script, "sh", folder])
    try:
        yield
    finally:
        node.machine.run(["rm", f"{folder}/{FILLER}"])


@contextlib.contextmanager
def read_only(node: NodeUnderFault, folder: str) -> Iterator[None]:
    node.machine.run(["sh", "-c", 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"', "sh", folder])
    try:
        yield
    finally:
        node.machine.run(["umount", folder])


@contextlib.contextmanager
def immutable(node: NodeUnderFault, file: str) -> Iterator[None]:
    path = str(inside(node.machine, file))
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
    nodes_under_fault: list[NodeUnderFault], tally: Tally, obstacle: Obstacle, place: str, state: str
) -> None:
    node = nodes_under_fault[0]
    before = ROUTE[ROUTE.index(state) - 1]
    restore(node.machine, node.states[before])
    seen: list[Outcome] = []

    hindrance = contextlib.ExitStack()

    def inject() -> None:
        hindrance.enter_context(obstacle(node, place))
        outcome = node.run(state)
        assert outcome.status == 1, outcome
        assert outcome.stdout == ""
        assert SAYS[obstacle] in outcome.stderr, outcome
        seen.append(outcome)

    def check() -> None:
        assert seen[0].stderr.startswith(f"node {node.machine.name}: ")
        assert seen[0].stderr.count("\n") == 1
        check_after_the_fault(node, node.states[before], node.states[state])
        hindrance.close()
        check_after_the_next_run(node, state)

    try:
        with hindrance:
            tally.attempt(f"{obstacle.__name__} {place} on the way to {state}", inject, check)
    finally:
        if node.machine.run(["mountpoint", "-q", place], check=False).returncode == 0:
            node.machine.run(["umount", place])
        node.recover("fresh")
    tally.check()
