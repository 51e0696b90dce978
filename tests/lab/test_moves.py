"""The registry moves: a changed name, port, address or namespace leaves nothing behind, and nodes are proved again."""

from collections.abc import Iterator

import pytest

from lab.machines import Machine

from .deployed import Deployed
from .node_files import differences, snapshot

pytestmark = pytest.mark.lab


@pytest.fixture(autouse=True)
def restored(deployed: Deployed) -> Iterator[None]:
    """Restore the committed stack after each test."""
    yield
    deployed.program.restore()


def test_a_moved_registry_leaves_nothing_of_the_old_one_on_the_nodes(deployed: Deployed) -> None:
    program = deployed.program
    before = {name: snapshot(machine) for name, machine in program.machines.items()}
    port = program.configuration(lambda keys: keys.update(port=5001))
    assert deployed.planned(port)["registry-server-service"] == "update"
    program.up(config=port)
    program.up(config=program.configuration(lambda keys: keys.update(port=443, ip="10.77.0.203")))
    pulled = program.outputs()["nodes"]
    for name, machine in program.machines.items():
        assert directories(machine) == ["registry.cube.local", "registry.cube.local:443"]
        image = f"registry.cube.local/k3s-registry/pull-proof@{pulled[name]['pulledDigest']}"
        machine.run(machine.kind.k3s("crictl", "pull", image))
        machine.run(machine.kind.k3s("crictl", "rmi", image))
    program.up(config=program.configuration(lambda keys: keys.update(hostname="images.cube.local", aliases=[])))
    for machine in program.machines.values():
        assert machine.path("/etc/hosts").read_text().count("# BEGIN k3s-registry") == 1
        assert directories(machine) == ["images.cube.local:5000"]
    program.up()
    changed = {name: differences(before[name], snapshot(machine)) for name, machine in program.machines.items()}
    assert changed == {name: [] for name in changed}


def directories(machine: Machine) -> list[str]:
    """The names under which containerd finds settings of a registry."""
    certs = machine.path(f"{machine.kind.data_dir}/agent/etc/containerd/certs.d")
    return sorted(directory.name for directory in certs.iterdir() if directory.is_dir())


@pytest.mark.long
def test_another_namespace_is_proved_by_pulls_from_the_registry_that_remains(deployed: Deployed) -> None:
    program = deployed.program
    program.up(config=program.configuration(lambda keys: keys.update(namespace="images")))
    digests = {node["pulledDigest"] for node in program.outputs()["nodes"].values()}
    assert len(digests) == 1
    answer = program.registry().get(program.lab, f"/v2/k3s-registry/pull-proof/manifests/{digests.pop()}")
    assert "manifests" in answer
    assert "docker-registry" not in program.kubectl("get", "namespaces", "-o", "name")


def test_a_node_that_is_off_is_left_out_and_then_dropped_without_contact(deployed: Deployed) -> None:
    program = deployed.program
    deployed.add_machine("cube03")
    node = deployed.new_node("cube03")
    program.up(config=program.configuration(lambda keys: keys["nodes"].update(cube03=node)))
    deployed.remove_machine("cube03")

    offline = {**node, "offline": True}
    program.up(config=program.configuration(lambda keys: keys["nodes"].update(cube03=offline)))
    outputs = program.outputs()
    assert outputs["offlineNodes"] == ["cube03"]
    assert outputs["verifiedNodes"] == ["control01", "cube01", "cube02"]

    program.up()
    assert "cube03" not in program.outputs()["nodes"]


@pytest.mark.long
def test_protected_images_survive_a_destroy_and_are_served_again(deployed: Deployed) -> None:
    program = deployed.program
    image = deployed.push("before-the-destroy")
    protecting = program.configuration(lambda keys: keys["storage"].update(protect=True))
    program.up(config=protecting)
    program.run("destroy", "--yes", "--skip-preview", "--exclude-protected", config=protecting)
    claims = program.kubectl("-n", "docker-registry", "get", "persistentvolumeclaims", "-o", "name")
    assert "longhorn-docker-registry-pvc" in claims
    services = program.kubectl("-n", "docker-registry", "get", "services", "-o", "name")
    assert "registry-service" not in services
    changed = {
        name: differences(deployed.files_before[name], snapshot(machine)) for name, machine in program.machines.items()
    }
    assert changed == {name: [] for name in changed}
    program.up(config=protecting)
    assert deployed.run_pod("cube01", image) == "hello from cube01\n"
