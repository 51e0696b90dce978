import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ops.cluster import Cluster, contains, free_addresses
from ops.failure import OpsError

NODE = {
    "metadata": {"name": "cube01", "labels": {"node-role.kubernetes.io/etcd": "true"}},
    "status": {
        "addresses": [
            {"type": "Hostname", "address": "cube01"},
            {"type": "InternalIP", "address": "10.0.0.1"},
            {"type": "InternalIP", "address": "fd00::1"},
        ]
    },
}


class Kubectl:
    """Answers in kubectl's place and notes how it was called."""

    def __init__(self, answer: str, status: int = 0) -> None:
        self.answer, self.status = answer, status
        self.commands: list[list[str]] = []
        self.kubeconfigs: list[str] = []

    def run(self, command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        self.commands.append(command)
        files = [word.partition("=")[2] for word in command if word.startswith("--kubeconfig=")]
        self.kubeconfigs += [Path(file).read_text(encoding="utf-8") for file in files]
        return subprocess.CompletedProcess(command, self.status, self.answer, "a warning\nrefused\n")


def asked(monkeypatch: pytest.MonkeyPatch, answer: object, status: int = 0) -> Kubectl:
    made = Kubectl(json.dumps(answer), status)
    monkeypatch.setattr(subprocess, "run", made.run)
    return made


def test_a_node_has_its_first_internal_address_and_its_part(monkeypatch: pytest.MonkeyPatch) -> None:
    asked(monkeypatch, {"items": [NODE]})
    (node,) = Cluster().nodes()
    assert (node.name, node.address, node.is_server) == ("cube01", "10.0.0.1", True)


def test_the_default_storage_class_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    items = [{"metadata": {"name": "a"}}, {"metadata": {"name": "z", "annotations": default}}]
    asked(monkeypatch, {"items": items})
    assert Cluster().storage_classes() == ["z", "a"]


def test_a_kubeconfig_reaches_kubectl_by_a_file_that_disappears(monkeypatch: pytest.MonkeyPatch) -> None:
    kubectl = asked(monkeypatch, {"items": []})
    Cluster(kubeconfig="token: secret", context="home").nodes()
    (command,) = kubectl.commands
    assert kubectl.kubeconfigs == ["token: secret"]
    assert "--context=home" in command
    assert not any("secret" in word for word in command)
    assert not any(Path(word.partition("=")[2]).exists() for word in command if "--kubeconfig" in word)


def test_a_failure_of_kubectl_is_one_sentence_with_its_last_line(monkeypatch: pytest.MonkeyPatch) -> None:
    asked(monkeypatch, {}, status=1)
    with pytest.raises(OpsError, match="failed: refused; kubectl must reach the cluster"):
        Cluster().nodes()


@pytest.mark.parametrize(
    ("pools", "free"),
    [
        (["10.0.0.8-10.0.0.10"], ["10.0.0.8", "10.0.0.10"]),
        (["10.0.0.8 - 10.0.0.9", "10.0.1.0/31"], ["10.0.0.8", "10.0.1.0"]),
        (["10.0.2.0/24"], ["10.0.2.1", "10.0.2.2"]),
        (["10.0.2.0/30"], ["10.0.2.1", "10.0.2.2"]),
        (["fd00::/64"], ["fd00::1", "fd00::2"]),
        ([], []),
    ],
    ids=["range", "range and network", "network", "smallest network", "IPv6", "none"],
)
def test_free_addresses_are_the_first_of_the_pools_that_nobody_has(pools: list[str], free: list[str]) -> None:
    assert free_addresses(pools, {"10.0.0.9"}, 2) == free


def test_a_pool_contains_both_its_ends_and_no_other_kind_of_address() -> None:
    pools = ["10.0.0.8-10.0.0.10"]
    inside = [
        address for address in ("10.0.0.7", "10.0.0.8", "10.0.0.10", "10.0.0.11", "::8") if contains(pools, address)
    ]
    assert inside == ["10.0.0.8", "10.0.0.10"]
