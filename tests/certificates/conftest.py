import fcntl
import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.engine import Engine
from lab.tests.stand_ins import engine_with_plugins_at_hand, engine_with_stand_ins

from .certificate_stack import CertificateStack, Deployed, Issued, Prepared, in_folder

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
def prepared(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Stacks with which several tests begin, each deployed once for all workers; nobody changes them."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "prepared-certificates"
    shared.mkdir(exist_ok=True)

    def stack(*plans: dict[str, Any]) -> CertificateStack:
        folder = shared / hashlib.sha256(json.dumps(plans).encode()).hexdigest()[:16]
        with folder.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                scratch = tmp_path_factory.mktemp("prepared") / "stack"
                if plans:
                    new = stack(*plans[:-1]).copied(scratch, engine)
                    new.up(plans[-1])
                else:
                    new = CertificateStack(in_folder(engine, scratch), "certificates", scratch / "project")
                    new.create()
                new.copied(folder, engine)
        return CertificateStack(replace(engine, state=folder / "state"), "certificates", folder / "project")

    return stack


@pytest.fixture(scope="session")
def default(prepared: Prepared) -> Issued:
    """The certificates of a configuration without the key `certificates`."""
    return prepared({}).issued()


@pytest.fixture
def stack(prepared: Prepared, engine: Engine, tmp_path: Path) -> CertificateStack:
    """A stack of the test's own, before its first `up`."""
    return prepared().copied(tmp_path / "stack", engine)


@pytest.fixture
def deployed(prepared: Prepared, engine: Engine, tmp_path: Path) -> Deployed:
    """A stack of the test's own after an `up` with each of such `certificates`."""
    return lambda *plans: prepared(*plans).copied(tmp_path / "stack", engine)
