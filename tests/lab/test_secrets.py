import json
from collections.abc import Iterator
from typing import Any

import pytest

from .deployed import Deployed
from .node_files import containing

pytestmark = pytest.mark.lab
OTHER_HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAIYTmCDS9yBFtUwrIBkpXFNROkADmnmq4xbW1+NUncA"
TEXTS = ("create", "update", "delete", "stdin")


def spoilt(keys: dict[str, Any]) -> None:
    """Change the configuration so that every node is visited again and one has the wrong host key."""
    keys["audit"] = "a run that fails"
    keys["nodes"]["cube01"]["hostKey"] = OTHER_HOST_KEY


@pytest.fixture(scope="module")
def needles(deployed: Deployed) -> Iterator[list[bytes]]:
    """The strings that reveal the stack's private keys, and those it had before it was destroyed.

    Before the search a run fails: what it prints and leaves is searched too.
    """
    program = deployed.program
    failed = program.up("--continue-on-error", config=program.configuration(spoilt), expect=None)
    assert failed.status != 0
    assert "host key" in failed.text
    program.note_private_keys()
    found = deployed.program.private_keys
    assert len(found) >= len(("authority", "server")), "each has a key of its own"
    yield sorted(set().union(*found.values()))
    program.up()


def test_no_private_key_lies_in_any_file_of_a_node(deployed: Deployed, needles: list[bytes]) -> None:
    found = {name: containing(machine, needles) for name, machine in deployed.program.machines.items()}
    assert found == {name: [] for name in found}


def test_no_private_key_was_printed(deployed: Deployed, needles: list[bytes]) -> None:
    printed = "\n".join(deployed.program.printed).encode()
    assert printed, "the runs before must have left something to search"
    assert [needle for needle in needles if needle in printed] == []


def test_no_private_key_is_in_a_journal(deployed: Deployed, needles: list[bytes]) -> None:
    for name, machine in deployed.program.machines.items():
        journal = machine.run(["journalctl", "--no-pager", "-o", "cat"]).stdout.encode()
        assert [needle for needle in needles if needle in journal] == [], name


def test_no_private_key_is_in_the_state_unencrypted(deployed: Deployed, needles: list[bytes]) -> None:
    files = [path for path in deployed.program.engine.backend.rglob("*") if path.is_file()]
    assert files
    leaking = [path.name for path in files for needle in needles if needle in path.read_bytes()]
    assert leaking == []


def test_no_private_key_is_in_a_config_map(deployed: Deployed, needles: list[bytes]) -> None:
    maps = deployed.program.kubectl("get", "configmaps", "-A", "-o", "yaml").encode()
    assert [needle for needle in needles if needle in maps] == []


def test_no_private_key_is_in_the_text_of_a_command(deployed: Deployed, needles: list[bytes]) -> None:
    exported = deployed.program.run("stack", "export").text
    resources = json.loads(exported)["deployment"]["resources"]
    commands = [resource for resource in resources if resource["type"] == "command:remote:Command"]
    assert commands
    texts = {
        f"{command['urn'].rpartition('::')[2]} {side} {name}": command[side].get(name, "")
        for command in commands
        for side in ("inputs", "outputs")
        for name in TEXTS
    }
    # An encrypted string would be an object here, and a preview could not show the input of a node.
    assert [name for name, text in texts.items() if not isinstance(text, str)] == []
    leaking = [name for name, text in texts.items() if any(needle in text.encode() for needle in needles)]
    assert leaking == []


def test_of_all_private_keys_the_cluster_holds_the_servers_alone(deployed: Deployed, needles: list[bytes]) -> None:
    """An authority's key is in no Secret: whoever reads all of them cannot issue certificates."""
    assert needles
    secrets = deployed.program.kubectl("get", "secrets", "-A", "-o", "yaml").encode()
    keys = deployed.program.private_keys.values()
    assert sum(any(needle in secrets for needle in needles_of_one) for needles_of_one in keys) == 1


def test_only_the_node_of_the_registrys_pod_can_read_its_secret(deployed: Deployed) -> None:
    program = deployed.program
    pods = program.kubectl("-n", "docker-registry", "get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}")
    secret = ("--cache-dir=/tmp/kubectl", "-n", "docker-registry", "get", "secret", "docker-registry-tls-cert")
    readers = {
        name
        for name, machine in program.machines.items()
        if machine.run(
            machine.kind.k3s("kubectl", "--kubeconfig", f"{machine.kind.data_dir}/agent/kubelet.kubeconfig", *secret),
            check=False,
        ).returncode
        == 0
    }
    assert readers == set(pods.split())
