import json

import pytest

from lab.settings import PROJECT

from .deployed import Deployed

pytestmark = pytest.mark.lab
EXAMPLE = PROJECT / "examples" / "openfaas"


def test_the_consuming_stack_takes_over_what_it_needs(deployed: Deployed) -> None:
    program = deployed.program
    netns = program.lab.lan_namespace_path
    program.engine.ensure_stack("dev", EXAMPLE)
    try:
        up = program.engine.run(
            ["up", "--yes", "--skip-preview", "--stack", "dev"], EXAMPLE, netns=netns, capture=True, timeout=120
        )
        assert up.returncode == 0, up.stdout + up.stderr
        printed = program.engine.run(
            ["stack", "output", "--json", "--stack", "dev"], EXAMPLE, netns=netns, capture=True
        ).stdout
        assert json.loads(printed)["OPENFAAS_PREFIX"] == "registry.cube.local:5000/openfaas"
        authority = program.kubectl("-n", "openfaas-fn", "get", "configmap", "registry-authority", "-o", "json")
        assert json.loads(authority)["data"]["ca.crt"] == program.outputs()["caCertPem"]
    finally:
        program.engine.run(
            ["destroy", "--yes", "--skip-preview", "--stack", "dev"], EXAMPLE, netns=netns, capture=True, timeout=120
        )
