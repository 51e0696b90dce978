"""The stack's state is lost, and with it the authority's key, while registry, images and nodes still exist."""

import shutil
from collections.abc import Iterator

import pytest

from lab.deployment import STACK

from .deployed import Deployed
from .node_files import containing
from .program import Program

pytestmark = [pytest.mark.lab, pytest.mark.long]
CLAIM = "docker-registry/longhorn-docker-registry-pvc"


def urn(program: Program, name: str) -> str:
    """The URN of a resource, as `pulumi stack --show-urns` prints it."""
    exported = program.engine.resources(STACK)
    [found] = [entry["urn"] for entry in exported if entry["urn"].endswith(f"::{name}")]
    return str(found)


@pytest.fixture
def lost(deployed: Deployed) -> Iterator[Deployed]:
    """The deployment without its state; afterwards the committed stack is deployed again."""
    yield deployed
    program = deployed.program
    program.run("destroy", "--yes", "--skip-preview")
    program.kubectl("delete", "namespace", "docker-registry", "--ignore-not-found", "--wait")
    program.up()


def test_a_new_state_takes_over_registry_images_and_nodes(lost: Deployed) -> None:
    program = lost.program
    image = lost.push("kept")
    old = program.outputs()["caCertPem"]
    shutil.rmtree(program.engine.backend)
    program.engine.ensure_stack(STACK)

    program.up(*(f"--target=**::{name}" for name in ("cluster", "registry", "registry-server")))
    for token, name, identity in (
        ("kubernetes:core/v1:Namespace", "registry-server-namespace", "docker-registry"),
        ("kubernetes:core/v1:PersistentVolumeClaim", "registry-server-claim", CLAIM),
    ):
        program.run(
            *("import", "--yes", "--skip-preview", "--generate-code=false", "--protect=false"),
            *("--parent", f"server={urn(program, 'registry-server')}"),
            *("--provider", f"cluster={urn(program, 'cluster')}"),
            *(token, name, identity),
        )
    objects = ("deployment/registry", "service/registry-service", "secret/docker-registry-tls-cert")
    program.kubectl("-n", "docker-registry", "delete", *objects)
    program.up()

    outputs = program.outputs()
    assert outputs["verifiedNodes"] == sorted(program.machines)
    assert outputs["caCertPem"] != old
    line = old.splitlines()[-3].encode()
    assert {name: containing(machine, [line]) for name, machine in program.machines.items()} == {
        name: [] for name in program.machines
    }
    for name in program.machines:
        assert lost.run_pod(name, image) == f"hello from {name}\n", "the images are the ones of before"
    assert program.planned(program.configuration()) == {}
