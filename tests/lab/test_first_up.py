import subprocess
from pathlib import Path

import pytest

from lab import toolchain
from lab.kinds import DEFAULT_DATA_DIR, KINDS
from lab.settings import Lab

from .deployed import Deployed
from .node_files import differences, snapshot

pytestmark = pytest.mark.lab

NODES = ["control01", "cube01", "cube02"]


def test_before_the_program_ran_the_pull_fails_with_x509(deployed: Deployed) -> None:
    for name in ("cube01", "cube02"):
        assert "x509: certificate signed by unknown authority" in deployed.refused[name]


def test_every_node_has_pulled_the_same_digest(deployed: Deployed) -> None:
    outputs = deployed.program.outputs()
    digests = {name: node["pulledDigest"] for name, node in outputs["nodes"].items()}
    assert sorted(digests) == outputs["verifiedNodes"] == NODES
    assert len(set(digests.values())) == 1


def test_every_kind_of_node_is_among_them(deployed: Deployed) -> None:
    assert {deployed.program.machines[name].kind for name in NODES} == set(KINDS)


def test_a_data_dir_of_its_own_keeps_the_default_one_empty(deployed: Deployed) -> None:
    """Neither trust nor proof may have K3s's tools unpack their programs there."""
    machines = [machine for machine in deployed.program.machines.values() if machine.kind.data_dir != DEFAULT_DATA_DIR]
    assert machines
    for machine in machines:
        assert not machine.path(DEFAULT_DATA_DIR).exists()


def test_each_node_is_visited_as_its_user_who_calls_sudo_where_the_node_has_it(deployed: Deployed) -> None:
    for name, machine in deployed.program.machines.items():
        assert deployed.logins[name] == {machine.kind.user}
        said = machine.run(["journalctl", "--quiet", "--no-pager", "--identifier=sudo"]).stdout
        assert ("COMMAND=/usr/bin/sh -s -- apply" in said) == machine.kind.has_sudo
        assert (machine.run(["sh", "-c", "command -v sudo"], check=False).returncode == 0) == machine.kind.has_sudo


def test_the_catalog_is_read_from_the_lan_with_the_authority_verified(deployed: Deployed, lab: Lab) -> None:
    assert "k3s-registry/pull-proof" in deployed.program.registry().get(lab, "/v2/_catalog")


def test_no_k3s_unit_was_restarted(deployed: Deployed) -> None:
    assert deployed.unit_starts_after == deployed.unit_starts_before


def test_the_first_up_changed_only_what_it_says(deployed: Deployed) -> None:
    for name, machine in deployed.program.machines.items():
        changed = differences(deployed.files_before[name], snapshot(machine))
        unexpected = [
            path
            for path in changed
            if not path.startswith(("/etc/ssl/certs/", "/usr/local/share/ca-certificates/k3s-registry-"))
            and path not in ("/etc/hosts", "/etc/rancher/k3s/registries.yaml")
            and not path.startswith("/etc/rancher/k3s/k3s-registry-")
            and "/certs.d/" not in path
        ]
        assert unexpected == [], f"{name}: the README names everything that changes on a node"


def test_curl_on_a_node_verifies_the_registry(deployed: Deployed) -> None:
    for machine in deployed.program.machines.values():
        answer = machine.run(["curl", "-sS", "https://registry.cube.local:5000/v2/_catalog"]).stdout
        assert "pull-proof" in answer


def test_a_pushed_image_runs_as_a_pod_on_every_node(deployed: Deployed) -> None:
    image = deployed.push("my-image")
    for name in NODES:
        assert deployed.run_pod(name, image) == f"hello from {name}\n"


def test_what_a_node_has_is_what_k3s_would_render(deployed: Deployed, tmp_path: Path) -> None:
    wharfie = toolchain.ensure(["wharfie"])["wharfie"]
    for name, machine in deployed.program.machines.items():
        settings = machine.path("/etc/rancher/k3s/registries.yaml")
        subprocess.run([wharfie, "render", settings, tmp_path / name], check=True)
        certs = f"{machine.kind.data_dir}/agent/etc/containerd/certs.d"
        ours = machine.path(f"{certs}/registry.cube.local:5000/hosts.toml").read_text()
        assert (tmp_path / name / "registry.cube.local:5000" / "hosts.toml").read_text() == ours
