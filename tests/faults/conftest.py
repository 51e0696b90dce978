"""Machines to put faults into, and the count of the faults."""

import os
from collections.abc import Iterator

import pytest

from lab import lifecycle, needs
from lab.machines import machines
from lab.settings import Lab
from tests.faults import interception
from tests.faults.gate import Gate
from tests.faults.node_under_fault import NodeUnderFault
from tests.faults.tally import PROPERTY, Tally
from tests.node.authority import new_authority

NAME = os.environ.get("K3S_REGISTRY_TEST_LAB", "test")
KEEP = bool(os.environ.get("K3S_REGISTRY_KEEP_LAB"))
MACHINES = 2
"""One for each core that the smallest computer for the lab has."""
total = Tally()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every-step", action="store_true", help="put faults in at every step, not at some of them")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is here, and skip it, saying why, where the lab cannot be had."""
    here = [item for item in items if "faults" in item.path.parent.name]
    lacks = [str(found) for found in needs.lacks()] if here else []
    missing = lacks[0] if lacks else interception.lack()
    for item in here:
        item.add_marker(pytest.mark.faults)
        if missing:
            item.add_marker(pytest.mark.skip(reason=f"this computer cannot carry the lab: {missing}"))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add up, here or in the process that workers report to."""
    if report.when == "teardown":
        for name, count in report.user_properties:
            if name == PROPERTY:
                tried, survived = map(int, str(count).split())
                total.tried += tried
                total.survived += survived


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Say the result in the very last line."""
    if not hasattr(config, "workerinput"):
        print(f"faults tried={total.tried} survived={total.survived}")  # noqa: T201 the line that `make faults` promises


@pytest.fixture(scope="session")
def nodes_under_fault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[NodeUnderFault]]:
    """Nodes that have been through all states once, undisturbed; a test leaves them fresh."""
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
    # The option is unknown where pytest was not told to look here alone.
    return bool(request.config.getoption("--every-step", default=False))


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    found = Tally()
    yield found
    request.node.user_properties.append((PROPERTY, f"{found.tried} {found.survived}"))
