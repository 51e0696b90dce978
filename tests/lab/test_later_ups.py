from typing import Any

import pytest

from .deployed import Deployed
from .node_files import differences, snapshot

pytestmark = pytest.mark.lab
COMPONENTS = {
    "registry",
    "registry-nodes",
    "registry-proof",
    "registry-server",
    "registry-certificates",
    "k3s-registry-dev",
}
CUBE03 = {"host": "10.77.0.14"}


def test_a_second_up_changes_nothing_and_contacts_no_node(deployed: Deployed) -> None:
    logs = deployed.ssh_logs()
    deployed.program.up("--expect-no-changes")
    assert deployed.ssh_logs() == logs


@pytest.mark.long
def test_a_second_up_takes_at_most_six_seconds(deployed: Deployed) -> None:
    before = deployed.program.pace()
    seconds = deployed.program.up("--expect-no-changes").seconds
    slowest = max(before, deployed.program.pace(), key=lambda pace: pace.floor)
    slowest.assert_kept(seconds, figure=6, times=2)


def test_a_preview_of_another_size_and_another_node_shows_these_alone(deployed: Deployed) -> None:
    def change(keys: dict[str, Any]) -> None:
        keys["storage"].update(size="2Gi")
        keys["nodes"].update(cube03=deployed.new_node("cube03"))
        keys["nodes"].pop("cube02")

    assert deployed.planned(deployed.program.configuration(change)) == {
        "registry-server-claim": "update",
        "cube03-trust": "create",
        "cube03-proof": "create",
        "cube02-trust": "delete",
        "cube02-proof": "delete",
    }


def test_an_added_node_is_touched_alone_and_a_removed_one_is_cleaned(deployed: Deployed) -> None:
    deployed.add_machine("cube03")
    before = snapshot(deployed.program.machines["cube03"])
    logs = deployed.ssh_logs()
    config = deployed.program.configuration(lambda keys: keys["nodes"].update(cube03=deployed.new_node("cube03")))

    deployed.program.up(config=config)
    added = deployed.ssh_logs()
    assert {name for name in logs if added[name] != logs[name]} == {"cube03"}
    assert deployed.program.outputs()["verifiedNodes"] == ["control01", "cube01", "cube02", "cube03"]

    deployed.program.up()
    assert differences(before, snapshot(deployed.program.machines["cube03"])) == []
    removed = deployed.ssh_logs()
    assert {name for name in logs if removed[name] != added[name]} == {"cube03"}
    deployed.remove_machine("cube03")


def test_an_audit_proves_every_node_again_with_another_digest(deployed: Deployed) -> None:
    first = deployed.program.outputs()["nodes"]
    deployed.program.up(config=deployed.program.configuration(lambda keys: keys.update(audit="again")))
    second = deployed.program.outputs()["nodes"]
    assert all(first[name]["pulledDigest"] != second[name]["pulledDigest"] for name in first)
    deployed.program.up()


def test_k3s_restarted_on_every_node_keeps_everything_working(deployed: Deployed) -> None:
    image = deployed.push("after-restart")
    for machine in deployed.program.machines.values():
        machine.run(["systemctl", "restart", "k3s*"])
    deployed.wait_for_nodes()
    for name in deployed.program.machines:
        assert deployed.run_pod(name, image) == f"hello from {name}\n"
    deployed.program.up("--expect-no-changes")


def test_a_rebooted_node_pulls_again(deployed: Deployed) -> None:
    image = deployed.push("after-reboot")
    deployed.program.machines["cube01"].reboot()
    deployed.wait_for_nodes()
    assert deployed.run_pod("cube01", image) == "hello from cube01\n"


def test_a_deployment_scaled_and_a_secret_deleted_by_hand_are_healed(deployed: Deployed) -> None:
    kubectl = deployed.program.kubectl
    kubectl("-n", "docker-registry", "scale", "deployment/registry", "--replicas=0")
    kubectl("-n", "docker-registry", "delete", "secret", "docker-registry-tls-cert")
    deployed.program.up("--refresh")
    replicas = kubectl("-n", "docker-registry", "get", "deployment/registry", "-o", "jsonpath={.status.readyReplicas}")
    assert replicas == "1"
    assert kubectl("-n", "docker-registry", "get", "secret", "docker-registry-tls-cert", "-o", "name")


def test_destroy_gives_every_node_its_former_files_back(deployed: Deployed) -> None:
    deployed.program.run("destroy", "--yes", "--skip-preview")
    changed = {
        name: differences(deployed.files_before[name], snapshot(machine))
        for name, machine in deployed.program.machines.items()
    }
    assert changed == {name: [] for name in changed}
    assert "docker-registry" not in deployed.program.kubectl("get", "namespaces", "-o", "name")
    deployed.program.up()
