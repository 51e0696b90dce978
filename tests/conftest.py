"""How the tests are spread over workers: which must stay together, and which must begin first."""

import os
from pathlib import Path

import pytest
from xdist.remote import Producer  # type: ignore[import-untyped]  # it has no types
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # it has no types

HERE = Path(__file__).parent
# In the order in which they begin: what takes longest must not come last, or one worker ends long after the others.
GROUPS = {
    "lab": HERE / "lab",  # one cluster for all, and each test finds it as the committed stack file says
    "faults": HERE / "faults",  # machines of their own, and what a fault left behind would fail the next test
    "kubernetes-plugin": HERE / "lab" / "kubernetes_plugin",  # one API server for all
    "engine": HERE / "engine" / "test_tiny_program.py",  # one first `up` for all
}
SEARCHES = HERE / "lab" / "test_secrets.py"


def pytest_configure() -> None:
    """Let no umask of the user's decide what machines and nodes made here may read."""
    os.umask(0o022)


def _group(path: Path) -> str | None:
    """The innermost group that a test file belongs to."""
    found = [name for name, place in GROUPS.items() if place == path or place in path.parents]
    return found[-1] if found else None


def _scope(node_id: str) -> str:
    """What a test must stay together with: its group, or nothing but itself."""
    return _group(HERE.parent / node_id.partition("::")[0]) or node_id


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest group, and search for secrets only when all has run that may show one."""
    names = list(GROUPS)

    def order(item: pytest.Item) -> tuple[int, bool]:
        group = _group(item.path)
        return names.index(group) if group else len(names), item.path == SEARCHES

    items.sort(key=order)


class _Groups(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Hands out whole groups, and the other tests one by one.

    pytest-xdist's own `--dist loadgroup` marks node ids in a way that pytest 9.2 no longer takes notice of.
    """

    def _split_scope(self, nodeid: str) -> str:
        return _scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Spread tests by our groups, in the order of `pytest_collection_modifyitems`."""
    config.option.loadscopereorder = False
    return _Groups(config, log)
