"""Distributes all tests over workers: some must stay together, and the longest begin first."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.remote import Producer  # type: ignore[import-untyped]  # it has no types
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # it has no types

from lab import needs
from lab.tests.stand_ins import plugins_at_hand

# One lab serves the tests of both trees, so its fixtures belong to neither.
pytest_plugins = ["lab.tests.running.fixtures", "tests.recordings"]

# How long one example takes depends on what else the computer does; pytest-timeout ends a test that hangs.
settings.register_profile("without deadline", deadline=None)
settings.load_profile("without deadline")

HERE = Path(__file__).parent
PROGRAM, RUNNING = HERE / "tests/lab", HERE / "lab/tests/running"
# In the order in which they begin: the longest must not come last, or one worker ends long after the others.
GROUPS = {
    "lab": (PROGRAM,),  # one cluster for all, and each test finds it as the committed stack file says
    "other lab": (  # the same on a second cluster, since one alone would decide how long all tests take
        RUNNING,
        *(PROGRAM / f"test_{name}.py" for name in ("cache", "growth", "names_in_pods", "openfaas_example", "space")),
        *(PROGRAM / f"test_{name}.py" for name in ("load", "monitoring", "rotation_order", "taking_over")),
        *(PROGRAM / f"test_{name}.py" for name in ("waves", "workload")),
    ),
    "faults": (HERE / "tests/faults",),  # machines of their own, and what a fault left would fail the next test
    "engine": (HERE / "lab/tests/engine/test_tiny_program.py",),  # one first `up` for all
    "previews": (HERE / "tests/engine/test_previews.py",),  # one deployed stack for all
    "machines": tuple(  # labs of their own, beside the clusters
        RUNNING / f"test_{name}.py" for name in ("k3s_unit", "lifecycle", "machines")
    ),
}
ON_THE_LAB = {"lab", "other lab", "machines"}
CLUSTERS = "K3S_REGISTRY_TEST_CLUSTERS"
LATER = 10
"""The niceness of other tests: those on a cluster follow one another, so they decide how long all tests take."""
SEARCHES = HERE / "tests/lab/test_secrets.py"


def pytest_configure() -> None:
    """Set the umask, and decide how many clusters there are.

    The user's own umask must not decide which files machines and nodes may read. Workers inherit the decision: all of
    them must put the tests into the same order.
    """
    os.umask(0o022)
    os.environ.setdefault(CLUSTERS, "2" if needs.has_room_for(2) else "1")


def pytest_report_header() -> str:
    """Say which Pulumi plugins tests/engine and tests/certificates use."""
    return plugins_at_hand()


def _group(path: Path) -> str | None:
    """The group that a test file belongs to: that of the nearest place above it."""
    group_of = {place: name for name, places in GROUPS.items() for place in places}
    group = next((group_of[place] for place in (path, *path.parents) if place in group_of), None)
    return "lab" if group == "other lab" and os.environ[CLUSTERS] == "1" else group


def _scope(node_id: str) -> str:
    """The name that a test shares with those that must run on the same worker: its group, or else its own name."""
    return _group(HERE / node_id.partition("::")[0]) or node_id


def _mark_lab(items: list[pytest.Item]) -> None:
    """Mark the tests that need the lab, and skip them with the reason where this computer cannot carry it."""
    on_the_lab = [item for item in items if _group(item.path) in ON_THE_LAB]
    lacks = needs.lacks() if on_the_lab else []
    for item in on_the_lab:
        item.add_marker(pytest.mark.lab)
        if lacks:
            item.add_marker(pytest.mark.skip(reason=f"this computer cannot carry the lab: {lacks[0]}"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest group, and search for secrets only after every test that may reveal one."""
    _mark_lab(items)
    names = list(GROUPS)

    def order(item: pytest.Item) -> tuple[int, bool]:
        group = _group(item.path)
        return names.index(group) if group else len(names), item.path == SEARCHES

    items.sort(key=order)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run a test on the lab before all others; only root may take a priority back."""
    if os.geteuid() == 0:
        os.setpriority(os.PRIO_PROCESS, 0, 0 if _group(item.path) in ON_THE_LAB else LATER)
    return (yield)


class _Groups(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Assigns whole groups to workers, and the other tests one by one.

    pytest-xdist's own `--dist loadgroup` marks node IDs in a way that pytest 9.2 ignores.
    """

    def _split_scope(self, nodeid: str) -> str:
        return _scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Distribute tests by these groups, in the order of `pytest_collection_modifyitems`."""
    config.option.loadscopereorder = False
    return _Groups(config, log)
