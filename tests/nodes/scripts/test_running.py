"""Where the K3s that runs keeps its data, by its containerd's own command line: trust and proof follow it alike."""

import pytest

from tests.nodes.scripts.node import CERTS, REGISTRIES_YAML, REGISTRY, Node, executable
from tests.nodes.scripts.proof_node import HOST, Bench
from tests.nodes.scripts.services import ANEW, answering, running, systemd
from tests.nodes.scripts.test_k3s import assert_refused

DEFAULT = "/var/lib/rancher/k3s"
ELSEWHERE = "/mnt/big disk/k3s"
UNIT = "/etc/systemd/system/k3s.service"
STARTS = "[Service]\nType=notify\nExecStart=/usr/local/bin/k3s server {}\n"


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


CRICTL = "agent/etc/crictl.yaml"
# Searches as K3s does: by the environment, its configuration and its default.
SEARCHING = """\
#!/bin/sh
configured=$(sed -n 's/^data-dir: //p' '{root}/etc/rancher/k3s/config.yaml')
configured=${{configured:+{root}$configured}}
default={root}/var/lib/rancher/k3s
for file in "${{CRI_CONFIG_FILE:-}}" "${{configured:-${{K3S_DATA_DIR:-$default}}}}/agent/etc/crictl.yaml" \\
    "$default/agent/etc/crictl.yaml"; do
    if [ "$1" != crictl ] || [ -e "$file" ]; then exec "$0.real" "$@"; fi
done
echo 'FATA[0000] validate service connection: validate CRI v1 image API for endpoint' \\
    '"unix:///run/containerd/containerd.sock": connection error' >&2
exit 1
"""


@pytest.mark.parametrize(
    "files",
    [
        {UNIT: STARTS.format(f"'--data-dir={ELSEWHERE}'")},
        {UNIT: STARTS.format(f"--data-dir '{ELSEWHERE}'")},
        {UNIT: STARTS.format("--config /srv/k3s.yaml"), "/srv/k3s.yaml": f"data-dir: {ELSEWHERE}\n"},
    ],
    ids=["one word", "two words", "configuration"],
)
def test_a_pull_works_where_only_the_unit_says_where_the_data_is(curl_bench: Bench, files: dict[str, str]) -> None:
    """And no K3s can be asked: `k3s crictl` itself reads no unit."""
    node = curl_bench.node
    curl_bench.serve()
    node.write(f"{ELSEWHERE}/{CRICTL}", "")
    k3s = node.root / "usr/local/bin/k3s"
    k3s.rename(k3s.with_name("k3s.real"))
    executable(k3s, SEARCHING.format(root=node.root))
    assert "containerd does not answer" in curl_bench.run(wait_seconds="1").sentence
    for path, text in files.items():
        node.write(path, text)
    assert curl_bench.run().answer["digest"] == curl_bench.probe.digest


WRAPPER = "[Service]\nExecStart=/opt/start-k3s\n"
"""A unit that says nothing of how it starts K3s."""


@pytest.mark.parametrize("path", ["/srv/r.yaml", "/srv/a <b> & c.yaml"], ids=["plain", "escaped"])
def test_the_running_k3s_knows_its_registries_file_better_than_any_file(node: Node, path: str) -> None:
    node.write(UNIT, WRAPPER)
    answering(node, DEFAULT, "server", "--token", "--data-dir", "--private-registry", path, "--disable", "traefik")
    assert node.run("apply").status == 0
    assert node.read(path) == REGISTRIES_YAML.encode()
    assert node.run("check").status == 0
    node.run("remove")
    assert not (node.root / path[1:]).exists()


@pytest.mark.parametrize(
    "words",
    [
        ("--private-registry=/srv/r.yaml", "-d=/var/lib/rancher/k3s"),
        ("--tls-san=a,b", "--token=--private-registry=/srv/x.yaml", "--private-registry", "/srv/r.yaml"),
        ("--node-label=private-registry=/srv/x.yaml", "--private-registry=/srv/r.yaml", "--debug"),
    ],
    ids=["one word", "secret", "label"],
)
def test_the_notes_are_read_in_the_form_that_k3s_gives_them(node: Node, words: tuple[str, ...]) -> None:
    answering(node, DEFAULT, "server", *words, environment={"K3S_TOKEN": "hunter2", "K3S_URL": "https://a", "A": "b"})
    assert node.run("apply").status == 0
    assert node.read("/srv/r.yaml") == REGISTRIES_YAML.encode()
    assert not (node.root / "srv/x.yaml").exists()


def test_the_running_k3s_is_asked_under_the_name_that_the_cluster_knows(node: Node) -> None:
    answering(node, DEFAULT, "agent", "--private-registry", "/srv/r.yaml", name="cube01-f02b9140")
    assert node.run("apply").status == 0
    assert node.read("/srv/r.yaml") == REGISTRIES_YAML.encode()


def test_the_running_k3s_is_asked_below_its_own_data_dir(node: Node) -> None:
    moved(node)
    answering(node, ELSEWHERE, "agent", "--data-dir", ELSEWHERE, "--private-registry", "/srv/r.yaml")
    assert node.run("apply").status == 0
    assert node.read("/srv/r.yaml") == REGISTRIES_YAML.encode()


def test_the_role_is_that_of_the_running_k3s(node: Node) -> None:
    node.write(UNIT, WRAPPER)
    answering(node, DEFAULT, "agent")
    assert_refused(node, "found K3s as agent", "nodes.cube01.role", role="server")
    assert node.run("apply", role="agent").status == 0


def test_a_line_that_cannot_be_read_is_no_matter_where_the_running_k3s_answers(node: Node) -> None:
    node.write("/etc/rancher/k3s/config.yaml", "? debug\n: true\n")
    assert_refused(node, "start K3s so that it can be asked")
    answering(node, DEFAULT, "server")
    assert node.run("apply").status == 0


def test_a_registries_file_that_only_the_next_start_would_read_is_refused(node: Node) -> None:
    node.write("/etc/rancher/k3s/config.yaml", "private-registry: /srv/new.yaml\n")
    answering(node, DEFAULT, "server", "--private-registry", "/srv/old.yaml")
    assert_refused(node, "'/srv/old.yaml' in the running K3s and '/srv/new.yaml' in its files", "restart K3s")
    answering(node, DEFAULT, "server")
    assert_refused(node, "'not set' in the running K3s")


def test_another_runtime_in_what_the_running_k3s_was_started_with_is_refused(node: Node) -> None:
    answering(node, DEFAULT, "server", "--docker", "true")
    assert_refused(node, "container runtime 'docker'")


def test_an_api_server_that_does_not_answer_leaves_it_to_the_files(node: Node) -> None:
    systemd(node, flags=("--private-registry=/srv/r.yaml",))
    running(node, DEFAULT)
    assert node.run("apply").status == 0
    assert node.read("/srv/r.yaml") == REGISTRIES_YAML.encode()


@pytest.mark.parametrize("flags", [("--data-dir", ELSEWHERE), ()], ids=["unit", "configuration"])
def test_the_proof_follows_the_data_dir_of_a_k3s_that_does_not_run(curl_bench: Bench, flags: tuple[str, ...]) -> None:
    node = curl_bench.node
    curl_bench.serve()
    moved(node)
    node.write(f"{ELSEWHERE}/agent/etc/crictl.yaml", "")
    systemd(node, flags=flags)
    if not flags:
        node.write("/etc/rancher/k3s/config.yaml", f'{{"data-dir": "{ELSEWHERE}"}}')
    curl_bench.behave(node="cube07")
    assert "the cluster knows this machine as cube07" in curl_bench.run().sentence
    assert f"--kubeconfig {node.root}{ELSEWHERE}/agent/kubelet.kubeconfig" in curl_bench.calls()[0]


def test_no_command_of_k3s_unpacks_its_programs_below_another_data_dir(curl_bench: Bench) -> None:
    node = curl_bench.node
    curl_bench.serve()
    moved(node)
    running(node, ELSEWHERE)
    k3s = node.root / "usr/local/bin/k3s"
    k3s.rename(k3s.with_name("k3s.real"))
    noting = f"""echo "$1 ${{K3S_DATA_DIR:-}}" >>'{node.root}/below'"""
    executable(k3s, f'#!/bin/sh\n{noting}\nexec "$0.real" "$@"\n')
    assert curl_bench.run().status == 0
    below = set(node.read("/below").decode().splitlines())
    assert below == {f"kubectl {node.root}{ELSEWHERE}", f"crictl {node.root}{ELSEWHERE}"}
