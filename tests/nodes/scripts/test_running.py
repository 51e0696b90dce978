"""Where the K3s that runs keeps its data, by its containerd's own command line: trust and proof follow it alike."""

import pytest

from tests.nodes.scripts.node import CERTS, REGISTRY, Node, executable
from tests.nodes.scripts.proof_node import HOST, Bench
from tests.nodes.scripts.services import ANEW, running, systemd

ELSEWHERE = "/mnt/big disk/k3s"


def moved(node: Node, data: str = ELSEWHERE) -> str:
    """K3s's data elsewhere; the directory of hosts.toml files."""
    certs = f"{data}/agent/etc/containerd/certs.d"
    node.write(f"{data}/agent/etc/containerd/config.toml", ANEW.replace(CERTS, certs))
    return certs


def assert_written_to(node: Node, certs: str) -> None:
    outcome = node.run("apply")
    assert (outcome.status, outcome.stderr) == (0, "")
    assert (node.root / certs.lstrip("/") / REGISTRY / "hosts.toml").exists()
    assert node.run("check").status == 0


def test_trust_follows_the_k3s_that_runs_before_its_files(node: Node) -> None:
    systemd(node, flags=("--data-dir=/srv/another",))
    running(node, ELSEWHERE)
    assert_written_to(node, moved(node))


def test_a_containerd_whose_files_are_not_here_is_that_of_a_container(node: Node) -> None:
    running(node, "/in/a/container")
    assert_written_to(node, CERTS)


def test_the_files_decide_where_several_containerds_run(node: Node) -> None:
    certs = moved(node)
    moved(node, "/srv/another")
    systemd(node, flags=("--data-dir", ELSEWHERE))
    running(node, ELSEWHERE, "/srv/another")
    assert_written_to(node, certs)


@pytest.mark.parametrize(
    "arguments",
    [("vi", f"{ELSEWHERE}/agent/etc/containerd/config.toml"), ("containerd", "-c", "/etc/containerd/config.toml")],
)
def test_other_processes_are_not_taken_for_k3s(node: Node, arguments: tuple[str, ...]) -> None:
    moved(node)
    node.write("/etc/containerd/config.toml", "")
    node.write("/proc/100/cmdline", "\0".join([*arguments, ""]))
    assert_written_to(node, CERTS)


def test_the_proof_of_a_server_follows_its_data_dir(curl_bench: Bench) -> None:
    node = curl_bench.node
    curl_bench.serve()
    certs = moved(node)
    node.write(f"{certs}/{HOST}:{node.settings['port']}/hosts.toml", "")
    node.write(f"{ELSEWHERE}/agent/etc/crictl.yaml", "")
    node.write(f"{ELSEWHERE}/server/cred/admin.kubeconfig", "", 0o600)
    running(node, ELSEWHERE)
    curl_bench.behave(node="cube01", nodes=',"cube01","cube02"')
    assert curl_bench.run().answer["cluster"] == ["cube01", "cube02"]
    asked = [call for call in curl_bench.calls() if call.startswith("kubectl")]
    assert len(asked) == 2
    assert f"--kubeconfig {node.root}{ELSEWHERE}/agent/kubelet.kubeconfig" in asked[0]
    assert f"--kubeconfig {node.root}{ELSEWHERE}/server/cred/admin.kubeconfig" in asked[1]


def test_the_proof_checks_the_name_of_a_node_whose_data_is_elsewhere(curl_bench: Bench) -> None:
    curl_bench.serve()
    moved(curl_bench.node)
    running(curl_bench.node, ELSEWHERE)
    curl_bench.behave(node="cube07")
    assert "the cluster knows this machine as cube07" in curl_bench.run().sentence


def test_crictl_is_pointed_at_the_data_dir(curl_bench: Bench) -> None:
    node = curl_bench.node
    curl_bench.serve()
    moved(node)
    node.write(f"{ELSEWHERE}/agent/etc/crictl.yaml", "")
    running(node, ELSEWHERE)
    k3s = node.root / "usr/local/bin/k3s"
    k3s.rename(k3s.with_name("k3s.real"))
    noting = f"""echo "$1 ${{CRI_CONFIG_FILE:-}}" >>'{node.root}/configured'"""
    executable(k3s, f'#!/bin/sh\n{noting}\nexec "$0.real" "$@"\n')
    assert curl_bench.run().status == 0
    assert f"crictl {node.root}{ELSEWHERE}/agent/etc/crictl.yaml" in node.read("/configured").decode().splitlines()
