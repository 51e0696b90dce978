"""The program's stack on the lab that all tests share."""

import pytest

from lab.deployment import STACK
from lab.engine import Engine
from lab.settings import Lab

from .deployed import Deployed
from .program import Program


@pytest.fixture(scope="session")
def deployed(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    """The program's stack on the lab, deployed once; every test restores the state of the committed stack file."""
    engine = Engine.of(lab)
    engine.ensure_stack(STACK)
    engine.install_plugins()
    folder = tmp_path_factory.mktemp("deployed")
    made = Deployed(program=Program(lab=lab, engine=engine, folder=folder), folder=folder)
    made.bring_about()
    return made
