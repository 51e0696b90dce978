"""Every option at once: one `up` brings it about, the next changes nothing, a destroy leaves nothing."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from .cleaning import Cleaning
from .deployed import Deployed
from .node_files import differences, snapshot
from .pulling import Pulling
from .test_cleanup import NEVER
from .test_monitoring import EVERYTHING, KINDS, definition
from .test_names_in_pods import PODS
from .test_passwords import with_auth
from .upstream import ADDRESS, NAME, OPEN, Upstream

pytestmark = [pytest.mark.lab, pytest.mark.long]
CACHE = {NAME: {"ip": "10.43.0.53", "remoteUrl": f"http://{ADDRESS}:{OPEN}", "size": "1Gi"}}
CLEANUP = {"schedule": NEVER, "keep": 1, "dryRun": False}


@pytest.fixture(scope="module")
def everything(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cluster without a registry, and a stack file with everything on; the committed stack afterwards."""
    program = deployed.program
    upstream = Upstream(program.lab, tmp_path_factory.mktemp("upstream"))
    upstream.start()
    kinds = json.dumps({"apiVersion": "v1", "kind": "List", "items": [definition(*one) for one in KINDS.items()]})
    program.kubectl("apply", "-f", "-", stdin=kinds)
    program.run("destroy", "--yes", "--skip-preview")
    yield with_auth(program, more={**EVERYTHING, "pods": PODS, "cleanup": CLEANUP, "cache": CACHE})
    upstream.stop()
    program.up()
    program.kubectl("delete", "-f", "-", stdin=kinds)


def test_everything_comes_up_at_once_and_goes_without_a_trace(deployed: Deployed, everything: Path) -> None:
    program = deployed.program
    program.up(config=everything)
    program.up("--expect-no-changes", config=everything)

    outputs = program.outputs()
    assert outputs["verifiedNodes"] == sorted(program.machines)
    image = f"{outputs['registryEndpoint']}/k3s-registry/pull-proof@{outputs['nodes']['cube01']['pulledDigest']}"
    with Pulling(list(program.machines.values()), image) as pulling:
        log = Cleaning(deployed).run("with-passwords")
    assert log.splitlines()[-1].startswith("cleanup tags="), log
    assert pulling.failures == [], "nodes pull by their own port while images are collected"
    assert min(pulling.pulls.values()) > 0, "the load must have been there"

    program.run("destroy", "--yes", "--skip-preview", config=everything)
    kinds = program.kubectl("api-resources", "--verbs=list", "-o", "name").split()
    listed = ("get", ",".join(kind for kind in kinds if not kind.startswith("events")), "-A", "-l", "app=registry")
    assert program.kubectl(*listed, "-o", "name", "--ignore-not-found").split() == []
    assert "docker-registry" not in program.kubectl("get", "namespaces", "-o", "name")
    changed = {
        name: differences(deployed.files_before[name], snapshot(machine)) for name, machine in program.machines.items()
    }
    assert changed == {name: [] for name in changed}
