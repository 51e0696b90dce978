from pathlib import Path

import pytest

from lab.engine import Engine
from lab.tests.stand_ins import engine_with_plugins_at_hand, engine_with_stand_ins

from .certificate_stack import CertificateStack, Issued

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents and {"engine", "engine_with_clock"} & {*getattr(item, "fixturenames", ())}:
            item.add_marker(pytest.mark.certificates)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The real CLI with the user's own plugins, or the stand-ins; the report's header says which."""
    return engine_with_plugins_at_hand(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def engine_with_clock(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The real CLI with the stand-ins: only they have a clock that can be moved."""
    return engine_with_stand_ins(tmp_path_factory.mktemp("certificates-with-clock"))


@pytest.fixture(scope="session")
def default(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Issued:
    """The certificates of a configuration without the key `certificates`."""
    created = CertificateStack(engine, "default", tmp_path_factory.mktemp("default") / "project")
    created.create()
    created.up()
    return created.issued()


@pytest.fixture
def stack(engine: Engine, tmp_path: Path) -> CertificateStack:
    """A stack of the test's own, before its first `up`."""
    created = CertificateStack(engine, f"s{abs(hash(str(tmp_path)))}", tmp_path / "project")
    created.create()
    return created
