"""A registry on port 443: images may leave the port out, so nodes trust and pull by both names."""

import pytest
import yaml

from components.nodes.files import configs_entry, hosts_toml, mirrors_entry
from tests.nodes.scripts.node import CA_FILE, CERTS, HOST, HOSTS_TOML, Node, executable
from tests.nodes.scripts.proof_node import REPOSITORY, Bench
from tests.nodes.scripts.services import STALE, restartable, starts
from tests.nodes.scripts.test_trust_refusals import assert_refused

WITH_PORT = f"{HOST}:443"
BOTH = (WITH_PORT, HOST)
YAML = "/etc/rancher/k3s/registries.yaml"
TOML = f"{CERTS}/{{}}/hosts.toml"
CHANGES = {
    "port": "443",
    "mirrors_entry": "".join(map(mirrors_entry, BOTH)),
    "configs_entry": "".join(map(configs_entry, BOTH)),
    "hosts_toml": hosts_toml(WITH_PORT),
}
FORMER = CHANGES | {"mirrors_entry": mirrors_entry(WITH_PORT), "configs_entry": configs_entry(WITH_PORT)}
"""The settings of a program that knew only the name with the port."""


@pytest.fixture
def standard(node: Node) -> Node:
    """A node whose registry is on port 443."""
    node.settings |= CHANGES
    return node


def assert_trusted_by_both_names(node: Node) -> None:
    assert node.run("apply").stderr == ""
    assert node.run("apply").answer["changed"] is False
    assert node.run("check").answer == {"drift": []}
    merged = yaml.safe_load(node.read(YAML))
    for name in BOTH:
        assert node.read(TOML.format(name)).decode() == hosts_toml(name)
        assert merged["mirrors"][name] == {"endpoint": [f"https://{name}"]}
        assert merged["configs"][name] == {"tls": {"ca_file": CA_FILE}}


@pytest.mark.parametrize(
    "content",
    [None, "mirrors: {}\n", "configs:\n    hub.example:\n        auth: {}\nmirrors:\n    hub.example: {}\r\n"],
    ids=["none", "empty", "of others"],
)
def test_both_names_are_trusted_and_removal_restores_every_file(standard: Node, content: str | None) -> None:
    if content:
        standard.write(YAML, content)
    before = standard.tree()
    assert_trusted_by_both_names(standard)
    assert standard.run("remove").status == 0
    assert standard.tree() == before


def test_the_name_alone_is_added_to_what_an_earlier_version_wrote(standard: Node) -> None:
    before = standard.tree()
    standard.run("apply", **FORMER)
    assert_trusted_by_both_names(standard)
    standard.run("remove")
    assert standard.tree() == before


def test_a_registry_that_moves_to_port_443_and_away_leaves_neither_name(node: Node) -> None:
    node.run("apply")
    before = node.tree()
    assert node.run("apply", **CHANGES).status == 0
    assert node.run("apply").status == 0
    assert node.tree() == before
    assert node.read(TOML.format(f"{HOST}:5000")).decode() == HOSTS_TOML


def test_without_that_port_only_the_name_with_its_port_is_trusted(node: Node) -> None:
    node.run("apply")
    assert [path.name for path in (node.root / CERTS[1:]).iterdir() if path.is_dir()] == [f"{HOST}:5000"]


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("section", ["mirrors", "configs"])
def test_an_entry_of_others_for_either_name_is_refused_or_taken_over(standard: Node, section: str, name: str) -> None:
    standard.write(YAML, f"{section}:\n  {name}:\n    other: [x]\n  hub.example: {{}}\n")
    before = standard.tree()
    assert_refused(standard, f"an entry for {name} that is not marked as ours")
    assert standard.run("apply", take_over="true").status == 0
    assert_trusted_by_both_names(standard)
    standard.run("remove")
    assert standard.tree() == before


@pytest.mark.parametrize("name", BOTH)
def test_a_hosts_toml_of_others_for_either_name_is_refused(standard: Node, name: str) -> None:
    standard.write(TOML.format(name), "server = 'https://elsewhere'\n")
    assert_refused(standard, "which is not ours", TOML.format(name))


def test_a_hosts_toml_that_is_missing_is_drift(standard: Node) -> None:
    standard.run("apply")
    (standard.root / TOML.format(HOST)[1:]).unlink()
    assert standard.run("check").answer == {"drift": ["hosts.toml"]}


def test_a_restart_that_fails_takes_back_both_names(standard: Node) -> None:
    restartable(standard)
    standard.settings["ready_seconds"] = "1"
    starts(standard, ":")
    (standard.root / "run/systemd/system").mkdir(parents=True)
    standard.write("/etc/systemd/system/k3s.service", "[Service]\nExecStart=/usr/local/bin/k3s server\n")
    before = {name for name in standard.tree() if "rancher" in name}
    assert "the former files are back" in standard.run("apply").sentence
    assert {name for name in standard.tree() if "rancher" in name} == before
    assert standard.read("/var/lib/rancher/k3s/agent/etc/containerd/config.toml").decode() == STALE


PULLING = """\
#!/bin/sh
echo "$*" >>'{root}/calls'
case $* in
'crictl pull {refused}/'*) echo 'dial tcp: something' >&2; exit 1 ;;
kubectl*) exit 1 ;;
esac
"""


def pulling(bare: Bench, refused: str = "none") -> Bench:
    """A node with a containerd that pulls everything but from one name."""
    bare.point_at(443)
    executable(bare.node.root / "usr/local/bin/k3s", PULLING.format(root=bare.node.root, refused=refused))
    return bare


def test_the_proof_pulls_by_both_names_each_time_anew(bare: Bench) -> None:
    assert pulling(bare).run().status == 0
    image = f"{REPOSITORY}@{bare.probe.digest}"
    pulled = [f"crictl {verb} {name}/{image}" for name in BOTH for verb in ("pull", "rmi")]
    assert [call for call in bare.calls() if call.startswith("crictl")] == pulled


def test_a_pull_that_fails_by_the_name_alone_is_explained(bare: Bench) -> None:
    said = pulling(bare, HOST).run(wait_seconds="1").sentence
    assert f"{CERTS}/{HOST}/hosts.toml is missing" in said
    bare.node.write(TOML.format(HOST), "")
    assert f"containerd must pull {HOST}/{REPOSITORY}@" in pulling(bare, HOST).run(wait_seconds="1").sentence
