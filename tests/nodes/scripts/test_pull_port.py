"""A port that the nodes have to themselves: how they trust and pull by it, and how the proof pushes with a password."""

import shutil
import subprocess
from pathlib import Path
from unittest.mock import ANY

import pytest
import yaml

from components.nodes.files import DATA_DIR, configs_entry, hosts_toml, mirrors_entry, named_hosts_toml, pull_hosts_toml
from tests.nodes.scripts.node import CA_FILE, CERTS, HOST, HOSTS_TOML, REGISTRY, Node, dash_only, executable
from tests.nodes.scripts.proof_node import REPOSITORY, Bench
from tests.nodes.scripts.test_trust_refusals import assert_refused

PULL = f"{HOST}:5002"
YAML = "/etc/rancher/k3s/registries.yaml"
TOML = f"{CERTS}/{{}}/hosts.toml"
DATA = "/var/lib/rancher/k3s"
IDENTITY = f"{DATA}/agent/client-kubelet"
CHANGES = {
    "mirrors_entry": mirrors_entry(REGISTRY, PULL),
    "configs_entry": configs_entry(REGISTRY) + configs_entry(PULL, identity=True),
    "hosts_toml": hosts_toml(REGISTRY, PULL),
    "pull_port": "5002",
    "named_hosts_toml": named_hosts_toml({PULL: pull_hosts_toml(PULL)}),
}
OTHERS = "configs:\n    hub.example:\n        auth: {}\nmirrors:\n    hub.example: {}\r\n"
LOGIN = "k3s-registry-proof:0123456789abcdef"


def with_identity(node: Node, data: str = DATA) -> Node:
    for kind in ("crt", "key"):
        node.write(f"{data}/agent/client-kubelet.{kind}", "", 0o600)
    return node


def toml(node: Node, registry: str) -> str:
    return node.read(TOML.format(registry)).decode()


@pytest.fixture
def known(node: Node) -> Node:
    """A node that the cluster knows, and that pulls by a port of its own."""
    node.settings |= CHANGES
    return with_identity(node)


@pytest.mark.parametrize("content", [None, "mirrors: {}\n", OTHERS], ids=["none", "empty", "of others"])
def test_pulls_are_sent_to_the_nodes_port_and_removal_restores_every_file(known: Node, content: str | None) -> None:
    if content:
        known.write(YAML, content)
    before = known.tree()
    assert known.run("apply").stderr == ""
    assert known.run("apply").answer["changed"] is False
    assert known.run("check").answer == {"drift": []}
    merged = yaml.safe_load(known.read(YAML))
    assert merged["mirrors"][REGISTRY] == {"endpoint": [f"https://{PULL}"]}
    assert merged["configs"][REGISTRY] == {"tls": {"ca_file": CA_FILE}}
    assert merged["configs"][PULL] == {
        "tls": {"ca_file": CA_FILE, "cert_file": f"{IDENTITY}.crt", "key_file": f"{IDENTITY}.key"}
    }
    client = f'client = [["{IDENTITY}.crt", "{IDENTITY}.key"]]\n'
    mirror = f'\n[host."https://{PULL}/v2"]\n  capabilities = ["pull", "resolve"]\n  ca = ["{CA_FILE}"]\n  {client}'
    assert toml(known, REGISTRY) == HOSTS_TOML + mirror
    assert toml(known, PULL) == HOSTS_TOML.replace(REGISTRY, PULL).replace("\n\n", f"\n{client}\n")
    assert known.run("remove").status == 0
    assert known.tree() == before


def test_the_certificate_is_looked_for_in_the_data_dir_of_this_node(known: Node) -> None:
    other = with_identity(known, "/mnt/ssd/k3s")
    other.write("/etc/rancher/k3s/config.yaml", "data-dir: /mnt/ssd/k3s\n")
    other.write("/mnt/ssd/k3s/agent/etc/containerd/config.toml", f'[x.registry]\nconfig_path = "{CERTS}"\n')
    assert other.run("apply").stderr == ""
    assert 'client = [["/mnt/ssd/k3s/agent/client-kubelet.crt"' in toml(other, REGISTRY)
    assert b'key_file: "/mnt/ssd/k3s/agent/client-kubelet.key"' in other.read(YAML)
    assert DATA_DIR.encode() not in other.read(YAML)


def test_a_node_that_gets_the_port_and_loses_it_is_as_before(node: Node) -> None:
    with_identity(node).run("apply")
    before = node.tree()
    assert node.run("apply", **CHANGES).answer["changed"] is True
    assert node.run("apply").answer["changed"] is True
    assert node.tree() == before


def test_another_port_leaves_nothing_of_the_former_one(known: Node) -> None:
    known.run("apply")
    other = f"{HOST}:5003"
    known.settings |= {
        "mirrors_entry": mirrors_entry(REGISTRY, other),
        "configs_entry": configs_entry(REGISTRY) + configs_entry(other, identity=True),
        "hosts_toml": hosts_toml(REGISTRY, other),
        "pull_port": "5003",
        "named_hosts_toml": named_hosts_toml({other: pull_hosts_toml(other)}),
    }
    assert known.run("apply").status == 0
    assert {path.name for path in (known.root / CERTS[1:]).iterdir() if path.is_dir()} == {REGISTRY, other}


def test_a_node_without_a_certificate_of_the_cluster_is_left_as_it_is(known: Node) -> None:
    (known.root / f"{IDENTITY}.key"[1:]).unlink()
    assert_refused(known, "found no certificate that can be used at", f"{IDENTITY}.crt")


def test_an_entry_of_others_for_the_nodes_port_is_refused(known: Node) -> None:
    known.write(YAML, f"configs:\n  {PULL}:\n    tls: {{}}\n")
    assert_refused(known, f"an entry for {PULL} that is not marked as ours")


def test_the_proof_pushes_with_a_login(bench: Bench) -> None:
    bench.store.login = LOGIN
    bench.serve()
    assert bench.run().status == 1
    bench.behave(login=LOGIN)
    outcome = bench.run(login=LOGIN)
    assert outcome.stderr == ""
    assert outcome.answer == {"digest": bench.probe.digest, "pushed": True, "second": ANY}


@dash_only
def test_the_login_is_in_no_argument_and_no_file(bench: Bench, tmp_path: Path) -> None:
    bench.store.login = LOGIN
    bench.serve()
    [client] = (tmp_path / "clients").iterdir()
    real, log = shutil.which(client.name), tmp_path / "argv"
    client.unlink()
    seen = f'printf "%s\\n" "$@" >>"{log}"; cat "{bench.node.root}"/run/k3s-registry.*/* >>"{log}"'
    executable(client, f'#!/bin/sh\nenv >>"{log}"\n{real} "$@"\nended=$?\n{seen}\nexit $ended\n')
    assert bench.run(login=LOGIN, wait_seconds="3").status == 1, "containerd has no login here"
    written = log.read_bytes()
    assert b"manifests" in written
    assert b"0123456789abcdef" not in written


@dash_only
def test_a_former_pod_that_knows_another_login_is_waited_for(curl_bench: Bench) -> None:
    curl_bench.store.login = "k3s-registry-proof:former"
    curl_bench.serve()
    curl_bench.behave(login=LOGIN)
    waiting = curl_bench.node.start(login=LOGIN)
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(2)
    curl_bench.store.login = LOGIN
    waiting.communicate(timeout=60)
    assert waiting.returncode == 0


def test_a_login_that_is_refused_is_explained(bench: Bench) -> None:
    bench.store.login = LOGIN
    bench.serve()
    said = bench.run(login="k3s-registry-proof:wrong", wait_seconds="1").sentence
    assert "the registry refuses the proof's own user (GET https://127.0.0.1:" in said
    assert "wrong" not in said


PULLING = """\
#!/bin/sh
echo "$*" >>'{root}/calls'
case $* in
'crictl pull {refused}/'*) echo '{error}' >&2; exit 1 ;;
kubectl*) exit 1 ;;
esac
"""


def pulling(bare: Bench, refused: str = "none", error: str = "") -> Bench:
    """A node with a containerd that pulls everything but from one name."""
    bare.point_at(5000)
    bare.node.settings["pull_port"] = "5002"
    program = PULLING.format(root=bare.node.root, refused=refused, error=error)
    executable(bare.node.root / "usr/local/bin/k3s", program)
    return bare


def test_the_proof_first_pulls_by_the_nodes_port_alone(bare: Bench) -> None:
    assert pulling(bare).run().status == 0
    image = f"{REPOSITORY}@{bare.probe.digest}"
    pulled = [f"crictl {verb} {name}/{image}" for name in (PULL, REGISTRY) for verb in ("pull", "rmi")]
    assert [call for call in bare.calls() if call.startswith("crictl")] == pulled


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("dial tcp 127.0.0.1:5002: connect: connection refused", "port 5002 of 127.0.0.1 is closed"),
        (
            "remote error: tls: certificate required",
            f"the registry does not accept this node's certificate, {IDENTITY}.crt",
        ),
    ],
)
def test_a_nodes_port_that_does_not_serve_is_explained(bare: Bench, error: str, told: str) -> None:
    bench = pulling(bare, PULL, error)
    bench.node.write(TOML.format(PULL), "")
    assert told in bench.run(wait_seconds="1").sentence
