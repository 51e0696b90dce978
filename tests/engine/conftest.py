import pytest

from lab.engine import Engine
from lab.tests.stand_ins import engine_with_plugins_at_hand, engine_with_stand_ins


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The real CLI with the user's own plugins, or the stand-ins; the report's header says which."""
    return engine_with_plugins_at_hand(tmp_path_factory.mktemp("engine"))


@pytest.fixture(scope="session")
def engine_with_clock(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The real CLI with the stand-ins: only they have a clock that can be moved."""
    return engine_with_stand_ins(tmp_path_factory.mktemp("engine-with-clock"))
