"""Running machines and clusters, started for the first test that needs them and removed after the last."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import lifecycle
from lab.machines import Machine, machines
from lab.settings import Lab, MachineName

# Another name lets two checkouts on one computer test at the same time. Two workers never share a lab.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
NAME = os.environ.get("K3S_REGISTRY_TEST_LAB", "test")[: 10 - len(WORKER)] + WORKER
# Another K3s in the place of the look-alike, as `make test K3S=...` names it.
K3S = os.environ.get("K3S") or None
KEEP = bool(os.environ.get("K3S_REGISTRY_KEEP_LAB"))


@pytest.fixture(scope="session")
def kernel_settings_before() -> dict[Path, str]:
    """The values of this computer's kernel settings that a kubelet would change, read before a kubelet runs."""
    return {path: path.read_text() for path in map(Path, ("/proc/sys/vm/overcommit_memory", "/proc/sys/kernel/panic"))}


@pytest.fixture(scope="session")
def lab(kernel_settings_before: dict[Path, str]) -> Iterator[Lab]:
    """A lab of three machines with their cluster, shared by all tests; every test restores its state."""
    del kernel_settings_before  # must have been read
    found = Lab(NAME)
    try:
        lifecycle.up(found, count=3, choice=K3S)
        yield found
    finally:
        if not KEEP:
            lifecycle.down(found)


@pytest.fixture
def control01(lab: Lab) -> Machine:
    return Machine(lab, MachineName.parse("control01"))


@pytest.fixture
def cube01(lab: Lab) -> Machine:
    return Machine(lab, MachineName.parse("cube01"))


@pytest.fixture
def fleeting_lab() -> Iterator[Lab]:
    """A lab for one test, which starts and stops it itself."""
    lab = Lab(f"{NAME}fleet")
    lifecycle.down(lab)
    yield lab
    lifecycle.down(lab)


@pytest.fixture(scope="module")
def bare_lab() -> Iterator[Lab]:
    """Two machines without Kubernetes for the tests of one file, which may change them freely."""
    found = Lab(f"{NAME}bare")
    lifecycle.down(found)
    try:
        lifecycle.up(found, count=2, bare=True)
        yield found
    finally:
        lifecycle.down(found)


@pytest.fixture
def bare_machines(bare_lab: Lab) -> list[Machine]:
    """The bare lab's machines, started again if the last test stopped one."""
    lifecycle.up(bare_lab, count=2, bare=True)
    return machines(bare_lab)
