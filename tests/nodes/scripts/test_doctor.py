"""The doctor's script on a node's files: what it finds, and that it changes nothing."""

import time

import pytest

from components.nodes.script import DOCTOR
from tests.nodes.scripts.node import CA_FILE, CERTS, REGISTRY, Node, dash_only

REGISTRIES = "/etc/rancher/k3s/registries.yaml"
TOML = f"{CERTS}/{REGISTRY}/hosts.toml"
FILES = {"ca": CA_FILE, "hosts": "/etc/hosts", "registries": REGISTRIES, "hostsToml": TOML}
"""The checks of files, and the file that each one names."""


def look(node: Node, **changes: str) -> dict[str, dict[str, str]]:
    """Each check of the doctor's."""
    sent = {"foreign": "", "registry_service": "ns/registry", "digest": "", "repository": "probe", "wait_seconds": "1"}
    node.script = DOCTOR
    outcome = node.run("look", **(sent | {"second": str(int(time.time()))} | changes))
    assert outcome.status == 0, outcome.stderr
    checks = outcome.answer["checks"]
    assert isinstance(checks, dict)
    return checks


@pytest.fixture
def trusting(node: Node) -> Node:
    """A node that trusts the registry, as `apply` leaves it."""
    assert node.run("apply").status == 0
    return node


def test_what_apply_wrote_is_good_and_stays_as_it_is(trusting: Node) -> None:
    before = trusting.tree(times=True)
    checks = look(trusting)
    assert {checks[name]["outcome"] for name in FILES} == {"ok"}
    assert trusting.tree(times=True) == before
    assert list((trusting.root / "run").iterdir()) == []


def test_each_file_that_is_missing_is_found_by_its_own_check(trusting: Node) -> None:
    trusting.write("/etc/hosts", "127.0.0.1 localhost\n")
    for file in (CA_FILE, REGISTRIES, TOML):
        (trusting.root / file.lstrip("/")).unlink()
    before = trusting.tree(times=True)
    checks = look(trusting)
    assert trusting.tree(times=True) == before
    for check, file in FILES.items():
        assert checks[check]["sentence"].startswith("node cube01: found ")
        assert file in checks[check]["sentence"]
        assert checks[check]["sentence"].endswith("; put it back: pulumi up -c audit=again")


@dash_only
def test_a_clock_that_is_an_hour_late_is_found(trusting: Node) -> None:
    said = look(trusting, second=str(int(time.time()) + 3600))["clock"]
    assert said["outcome"] == "failed"
    assert "clocks must agree" in said["sentence"]


@dash_only
def test_a_pull_is_not_tried_where_the_name_leads_nowhere(trusting: Node) -> None:
    trusting.write("/etc/hosts", "127.0.0.1 localhost\n")
    checks = look(trusting)
    assert checks["name"]["sentence"].endswith("put the hosts entry back: pulumi up -c audit=again")
    assert checks["pull"] == {"outcome": "skipped", "sentence": ""}


def test_a_sentence_with_quotes_is_still_json(trusting: Node) -> None:
    trusting.write(TOML, '# "mine" \\ \t\n')
    assert '"# "mine" \\' in look(trusting)["hostsToml"]["sentence"]


@dash_only
def test_a_registry_of_others_needs_no_file_of_ours(node: Node) -> None:
    checks = look(node, foreign="true", address="", authorities="", fingerprints="", hosts_toml="", names="")
    names = ("ca", "store", "hosts", "registries", "hostsToml")
    assert [checks[name]["outcome"] for name in names] == ["skipped"] * 5


@dash_only
def test_a_registries_yaml_of_others_that_k3s_has_not_read_yet_is_found(node: Node) -> None:
    node.write(REGISTRIES, f'mirrors:\n  "{REGISTRY}":\n')
    said = look(node, foreign="true", address="", authorities="", fingerprints="", hosts_toml="", names="")
    assert said["hostsToml"]["sentence"].endswith("; restart K3s on this node")
