"""The machines that faults are injected into, and the count of the faults."""

import os
from collections.abc import Iterator

import pytest

from lab import lifecycle, needs
from lab.machines import machines
from lab.settings import Lab
from tests.authority import new_authority
from tests.faults import interception
from tests.faults.gate import Gate
from tests.faults.node_under_fault import NodeUnderFault
from tests.faults.tally import PROPERTY, Tally

NAME = os.environ.get("K3S_REGISTRY_TEST_LAB", "test")
KEEP = bool(os.environ.get("K3S_REGISTRY_KEEP_LAB"))
MACHINES = 2
"""One per core of the smallest computer that the lab supports."""
total = Tally()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every-step", action="store_true", help="inject faults at every step instead of some")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests in this directory, and skip them with the reason where this computer cannot carry the lab."""
    here = [item for item in items if "faults" in item.path.parent.name]
    lacks = [str(found) for found in needs.lacks()] if here else []
    missing = lacks[0] if lacks else interception.lack()
    for item in here:
        item.add_marker(pytest.mark.faults)
        if missing:
            item.add_marker(pytest.mark.skip(reason=f"this computer cannot carry the lab: {missing}"))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add up the counts, in this process or in the one that workers report to."""
    if report.when == "teardown":
        for name, count in report.user_properties:
            if name == PROPERTY:
                tried, survived = map(int, str(count).split())
                total.tried += tried
                total.survived += survived


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Print the result as the very last line."""
    if not hasattr(config, "workerinput"):
        print(f"faults tried={total.tried} survived={total.survived}")  # noqa: T201 the line that `make faults` promises


@pytest.fixture(scope="session")
def nodes_under_fault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[NodeUnderFault]]:
    """Nodes that have passed through all states once without faults; every test leaves them in the state `fresh`."""
    lab = Lab(f"{NAME}faults"[:15])
    lifecycle.down(lab)
    authorities = [new_authority(f"Registry CA {name}") for name in ("one", "two", "three")]
    states = {"two": tuple(authorities[:2]), "rotated": (authorities[2],)}
    folder = tmp_path_factory.mktemp("faults")
    found: list[NodeUnderFault] = []
    try:
        lifecycle.up(lab, count=MACHINES, bare=True)
        for machine in machines(lab):
            node = NodeUnderFault(machine, Gate(machine), states, folder / machine.name)
            found.append(node)
            node.furnish()
            node.gate.open()
            node.learn()
        yield found
    finally:
        for node in found:
            node.gate.close()
        if not KEEP:
            lifecycle.down(lab)


@pytest.fixture
def every_step(request: pytest.FixtureRequest) -> bool:
    # pytest knows the option only when it is called with this directory alone.
    return bool(request.config.getoption("--every-step", default=False))


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    found = Tally()
    yield found
    request.node.user_properties.append((PROPERTY, f"{found.tried} {found.survived}"))
