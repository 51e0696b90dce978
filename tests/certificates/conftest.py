from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lab.engine import Engine
from lab.plugin_store import DISTRIBUTIONS
from tests.engine.conftest import refuse

from .alone import Alone, Issued

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.certificates)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The real CLI with the stand-ins: only they have a clock that can be moved."""
    state = tmp_path_factory.mktemp("certificates")
    made = replace(Engine.at(state), cache=state / "cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(state / "nobody"))
        patch.delenv("PULUMI_HOME", raising=False)
        for plugin in made._store.wanted():
            refuse(made.cache, plugin)
        assert made.install_plugins() == dict.fromkeys(DISTRIBUTIONS, "stand-in")
        yield made


@pytest.fixture(scope="session")
def default(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Issued:
    """What the configuration without a word on certificates gives."""
    made = Alone(engine, "default", tmp_path_factory.mktemp("default") / "project")
    made.create()
    made.up()
    return made.issued()


@pytest.fixture
def alone(engine: Engine, tmp_path: Path) -> Alone:
    """A stack of the test's own, before its first `up`."""
    made = Alone(engine, f"s{abs(hash(str(tmp_path)))}", tmp_path / "project")
    made.create()
    return made
