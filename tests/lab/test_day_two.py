"""What the operating guide says of nodes that change and of images that are lost, as an operator does it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab.machines import Machine
from lab.tests.waiting import wait_until

from .deployed import NODES_SECONDS, Deployed
from .node_files import snapshot

pytestmark = [pytest.mark.lab, pytest.mark.long]
K3S_CONFIG = "/etc/rancher/k3s/config.yaml"
HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"
MARKER = "/.k3s-registry"
CLAIM = "pvc/longhorn-docker-registry-pvc"


@pytest.fixture
def cube02(deployed: Deployed) -> Iterator[Machine]:
    """A machine that the test may change, and without the registry's volume; afterwards it is a new one."""
    deployed.program.kubectl("cordon", "cube02")
    recreate_claim(deployed)
    deployed.program.kubectl("uncordon", "cube02")
    yield deployed.program.machines["cube02"]
    deployed.remove_machine("cube02")
    deployed.add_machine("cube02")
    deployed.program.kubectl("delete", "node", "worker02", "--ignore-not-found")
    deployed.program.up(config=deployed.program.configuration(lambda keys: keys.update(audit="a new machine")))
    deployed.program.restore()


def recreate_claim(deployed: Deployed) -> None:
    """Lose the claim, and have it created anew, as the operating guide says."""
    deployed.program.kubectl("-n", "docker-registry", "delete", "deployment/registry", CLAIM)
    deployed.program.up("--refresh")


def restart_as(deployed: Deployed, machine: Machine, name: str) -> None:
    """Have a machine join the cluster anew under another name."""
    text = machine.path(K3S_CONFIG).read_text()
    assert f"node-name: {machine.name}\n" in text
    machine.write(K3S_CONFIG, text.replace(f"node-name: {machine.name}\n", f"node-name: {name}\n"))
    machine.run(["systemctl", "restart", "k3s-agent"])
    ready = ("get", "nodes", name, "--ignore-not-found", "-o", "jsonpath={.status.conditions[-1:].status}")
    wait_until(lambda: deployed.program.kubectl(*ready) == "True", NODES_SECONDS, f"node {name}", pause=0.5)
    deployed.program.kubectl("delete", "node", machine.name)


def changed(key: str, value: Any) -> Callable[[dict[str, Any]], object]:
    """A change of one key of a node that is listed."""
    return lambda keys: keys["nodes"]["cube02"].update({key: value})


def test_a_renamed_node_keeps_its_files_and_pulls(deployed: Deployed, cube02: Machine) -> None:
    program = deployed.program
    image = deployed.push("renamed")
    before = snapshot(cube02)
    restart_as(deployed, cube02, "worker02")
    config = program.configuration(lambda keys: keys["nodes"].update(worker02=keys["nodes"].pop("cube02")))
    assert program.planned(config) == {
        "worker02-trust": "create",
        "worker02-proof": "create",
        "cube02-trust": "delete",
        "cube02-proof": "delete",
    }
    program.up(config=config)
    after = snapshot(cube02)
    # A start of K3s renders the directory of hosts.toml anew, without the program's marker.
    differing = {
        path for path in {*before, *after} if before.get(path) != after.get(path) and not path.endswith(MARKER)
    }
    assert differing == {K3S_CONFIG, "/etc/rancher/k3s/k3s-registry-nodes"}
    assert deployed.run_pod("worker02", image) == "hello from worker02\n"


def test_a_machine_that_was_installed_anew_is_known_by_its_host_key(deployed: Deployed, cube02: Machine) -> None:
    program = deployed.program
    image = deployed.push("installed-anew")
    deployed.remove_machine("cube02")
    deployed.add_machine("cube02")
    cube02 = program.machines["cube02"]
    cube02.run(["sh", "-c", f"rm {HOST_KEY} && ssh-keygen -q -t ed25519 -N '' -f {HOST_KEY} && systemctl restart ssh"])
    program.up("--expect-no-changes")
    key = " ".join(cube02.path(f"{HOST_KEY}.pub").read_text().split()[:2])
    config = program.configuration(changed("hostKey", key))
    assert program.planned(config) == {"cube02-trust": "update", "cube02-proof": "update"}
    program.up(config=config)
    assert deployed.run_pod("cube02", image) == "hello from cube02\n"


def test_a_lost_claim_is_created_anew_and_filled_from_a_backup(deployed: Deployed) -> None:
    program = deployed.program
    image = deployed.push("kept")
    server = program.machines["control01"]
    into = "-n docker-registry exec -i deployment/registry -c registry -- tar -C /var/lib/registry"
    kubectl = " ".join(server.kind.k3s("kubectl", "--cache-dir=/tmp/kubectl"))
    server.run(["sh", "-c", f"{kubectl} {into} -cf - docker >/root/images.tar"])
    recreate_claim(deployed)
    assert "kept" not in program.registry().get(program.lab, "/v2/_catalog")
    server.run(["sh", "-c", f"{kubectl} {into} -xf - </root/images.tar"])
    for name in program.machines:
        assert deployed.run_pod(name, image) == f"hello from {name}\n"
    program.up("--expect-no-changes")
