import pytest

from lab.engine import Engine
from lab.tests.stand_ins import engine_with_stand_ins


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The real CLI with the stand-ins."""
    return engine_with_stand_ins(tmp_path_factory.mktemp("engine"))
