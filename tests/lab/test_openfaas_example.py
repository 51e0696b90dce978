import json
import shutil
from pathlib import Path

import pytest

from lab.deployment import STACK
from lab.settings import PROJECT

from .deployed import Deployed

pytestmark = pytest.mark.lab
EXAMPLE = PROJECT / "examples" / "openfaas"


def test_the_consuming_stack_takes_over_what_it_needs(deployed: Deployed, tmp_path: Path) -> None:
    program = deployed.program
    # The test uses a copy, since creating a stack leaves a file in the project's directory.
    project = tmp_path / "examples" / "openfaas"
    shutil.copytree(EXAMPLE, project)
    (tmp_path / ".venv").symlink_to(program.engine.venv)
    program.engine.ensure_stack(STACK, project)
    try:
        program.run("up", "--yes", "--skip-preview", project=project)
        printed = program.run("stack", "output", "--json", project=project).text
        assert json.loads(printed)["OPENFAAS_PREFIX"] == "registry.cube.local:5000/openfaas"
        authority = program.kubectl("-n", "openfaas-fn", "get", "configmap", "registry-authority", "-o", "json")
        assert json.loads(authority)["data"]["ca.crt"] == program.outputs()["trustBundlePem"]
    finally:
        program.run("destroy", "--yes", "--skip-preview", project=project)
