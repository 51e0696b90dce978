"""Space in the registry: clients delete, the documented collection frees, and a full volume is one sentence."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab.machines import Machine
from lab.settings import PROJECT

from .deployed import Deployed
from .pulling import Pulling

pytestmark = pytest.mark.lab
WAITING_SECONDS = 120
"""How long a proof waits for a registry that may still come."""


def documented_commands() -> list[str]:
    """The commands of docs/operating.md that free the space of what was deleted."""
    section = (PROJECT / "docs/operating.md").read_text().partition("\n### To free space\n")[2].partition("\n### ")[0]
    return [line.strip() for line in section.splitlines() if line.startswith("    ")]


def delete(deployed: Deployed, reference: str) -> None:
    """Delete an image as a user on the LAN does."""
    registry = deployed.program.registry()
    path = reference.removeprefix(f"{registry.host}:{registry.port}/")
    target = f"docker://{registry.ip}:{registry.port}/{path}"
    command = ["skopeo", "delete", "--cert-dir", str(deployed.certificates()), target]
    done = subprocess.run(deployed.program.lab.in_lan(*command), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def volume(deployed: Deployed) -> tuple[Machine, str]:
    """The machine that holds the images, and their directory there."""
    kubectl = deployed.program.kubectl
    path = "jsonpath={.items[?(@.spec.claimRef.namespace=='docker-registry')].spec['hostPath','local'].path}"
    node = kubectl("-n", "docker-registry", "get", "pods", "-o", "jsonpath={.items[0].spec.nodeName}")
    return deployed.program.machines[node], kubectl("get", "pv", "-o", path).split()[0] + "/registry"


def blobs(deployed: Deployed) -> set[str]:
    """The digests of the blobs that take up space."""
    machine, folder = volume(deployed)
    found = machine.run(["find", f"{folder}/docker/registry/v2/blobs", "-name", "data"]).stdout
    return {line.split("/")[-2] for line in found.splitlines()}


def test_what_a_client_deletes_is_freed_as_documented_without_a_failed_pull(deployed: Deployed) -> None:
    kept = deployed.push("kept")
    before = blobs(deployed)
    delete(deployed, deployed.push("unwanted", files={"unwanted": b"unwanted"}))
    assert blobs(deployed) > before, "deletion alone frees nothing"
    control, *others = deployed.program.machines.values()
    commands = documented_commands()
    assert any("garbage-collect" in command for command in commands)
    with Pulling(others, kept) as pulling:
        for command in commands:
            control.run(["sh", "-c", command.replace("kubectl", "k3s kubectl --cache-dir=/tmp/kubectl", 1)])
    assert pulling.failures == []
    assert blobs(deployed) <= before
    assert deployed.run_pod("cube01", deployed.push("unwanted", files={"unwanted": b"unwanted"})), "pushing works again"
    deployed.program.up("--expect-no-changes")


def test_deletion_can_be_switched_off_without_a_visit_to_a_node(deployed: Deployed) -> None:
    config = deployed.program.configuration(lambda keys: keys["storage"].update(delete=False))
    assert deployed.planned(config) == {"registry-server-deployment": "update"}


@contextmanager
def full_volume(deployed: Deployed) -> Iterator[None]:
    """A file system without room over the images."""
    machine, folder = volume(deployed)
    fill = 'mount -t tmpfs -o size=64k,mode=777 tmpfs "$1" && { cat /dev/zero >"$1/filler" || :; }'
    machine.run(["sh", "-c", fill, "sh", folder])
    try:
        deployed.restart_registry()
        yield
    finally:
        # Where mounts are shared, the end of the former pod's mount has ended this one already.
        machine.run(["umount", "--lazy", folder], check=False)
        deployed.restart_registry()


def test_a_full_registry_fails_every_proof_at_once_with_the_cause(deployed: Deployed) -> None:
    config = deployed.program.configuration(lambda keys: keys.update(audit="on a full volume"))
    with full_volume(deployed):
        failed = deployed.program.up("--continue-on-error", config=config, expect=None)
    assert failed.status != 0
    for name in deployed.program.machines:
        assert f"node {name}: the registry's storage is full" in failed.text
    assert failed.seconds < WAITING_SECONDS
    deployed.program.up(config=config)
    deployed.program.up()
