from pathlib import Path

import pytest

from lab.engine import Engine
from lab.tests.stand_ins import engine_with_stand_ins

from .certificate_stack import CertificateStack, Issued

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents and "engine" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.certificates)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The real CLI with the stand-ins: only they have a clock that can be moved."""
    return engine_with_stand_ins(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def default(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Issued:
    """What the configuration without a word on certificates gives."""
    made = CertificateStack(engine, "default", tmp_path_factory.mktemp("default") / "project")
    made.create()
    made.up()
    return made.issued()


@pytest.fixture
def stack(engine: Engine, tmp_path: Path) -> CertificateStack:
    """A stack of the test's own, before its first `up`."""
    made = CertificateStack(engine, f"s{abs(hash(str(tmp_path)))}", tmp_path / "project")
    made.create()
    return made
