import json

import pytest

from lab.deployment import STACK
from lab.settings import PROJECT

from .deployed import Deployed

pytestmark = pytest.mark.lab
EXAMPLE = PROJECT / "examples" / "openfaas"


def test_the_consuming_stack_takes_over_what_it_needs(deployed: Deployed) -> None:
    program = deployed.program
    program.engine.ensure_stack(STACK, EXAMPLE)
    try:
        program.run("up", "--yes", "--skip-preview", project=EXAMPLE)
        printed = program.run("stack", "output", "--json", project=EXAMPLE).text
        assert json.loads(printed)["OPENFAAS_PREFIX"] == "registry.cube.local:5000/openfaas"
        authority = program.kubectl("-n", "openfaas-fn", "get", "configmap", "registry-authority", "-o", "json")
        assert json.loads(authority)["data"]["ca.crt"] == program.outputs()["caCertPem"]
    finally:
        program.run("destroy", "--yes", "--skip-preview", project=EXAMPLE)
