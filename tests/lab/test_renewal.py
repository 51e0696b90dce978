"""A server certificate near its end, issued in the past by the tls plugin's moved clock, is renewed by a plain `up`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.plugins.tls.clock import VARIABLE

from .deployed import Deployed
from .node_files import snapshot
from .pulling import Pulling

pytestmark = [pytest.mark.lab, pytest.mark.long]
PAST = {VARIABLE: f"-{71 * 86400}"}


@pytest.fixture
def due(deployed: Deployed) -> Iterator[Path]:
    """A configuration whose server certificate has 29 of 100 days left, 30 before which it is renewed."""
    plan = {"serverDays": 100, "renewDays": 30}
    config = deployed.program.configuration(lambda keys: keys["certificates"].update(plan))
    if deployed.program.engine.plugins()["tls"] != "stand-in":
        pytest.skip("only the stand-in tls plugin has a clock that can be moved")
    deployed.program.up(config=config, environment=PAST)
    yield config
    deployed.program.up()


def pod(deployed: Deployed) -> str:
    return deployed.program.kubectl(
        "-n", "docker-registry", "get", "pods", "--field-selector=status.phase=Running", "-o", "name"
    )


def test_a_plain_up_renews_it_says_so_and_touches_no_nodes_trust(deployed: Deployed, due: Path) -> None:
    program = deployed.program
    said = " ".join(program.run("preview", "--color", "never", config=due).text.split())
    assert "the server certificate is issued anew by this `up`" in said
    planned = program.planned(due)
    assert [name for name in planned if name.endswith("-trust")] == []
    assert {name for name in planned if name.endswith("-proof")} == {f"{name}-proof" for name in program.machines}

    before, old_pod = program.outputs(), pod(deployed)
    files = {name: snapshot(machine) for name, machine in program.machines.items()}
    digest = before["nodes"]["control01"]["pulledDigest"]
    image = f"{before['registryEndpoint']}/k3s-registry/pull-proof@{digest}"
    with Pulling(list(program.machines.values()), image) as pulling:
        program.up(config=due)
    after = program.outputs()

    assert pulling.failures == []
    assert after["serverNotAfter"] > before["serverNotAfter"]
    assert after["caNotAfter"] == before["caNotAfter"]
    assert pod(deployed) != old_pod
    assert {name: snapshot(machine) for name, machine in program.machines.items()} == files
    for name in program.machines:
        assert after["nodes"][name]["trustRevision"] == before["nodes"][name]["trustRevision"]
        assert after["nodes"][name]["pulledDigest"] != before["nodes"][name]["pulledDigest"]
    program.up("--expect-no-changes", config=due)
