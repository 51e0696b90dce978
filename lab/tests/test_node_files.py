"""The files of a machine as a node: those that a real K3s would misread if they were written otherwise."""

from pathlib import Path

import pytest
import yaml

from lab import addons, cluster
from lab.machines import Machine
from lab.settings import Lab, MachineName


def config(index: int) -> dict[str, object]:
    machine = Machine(Lab("neverwas"), MachineName(index))
    return dict(yaml.safe_load(cluster.node_config(machine, "secret")))


def test_only_agents_name_a_server_since_a_server_would_join_another_one() -> None:
    assert "server" not in config(0)
    assert config(1)["server"] == "https://10.77.0.11:6443"


def test_server_and_agents_share_the_token() -> None:
    assert {config(index)["token"] for index in range(3)} == {"secret"}


def test_options_of_the_cluster_are_the_servers_alone_since_an_agent_has_no_such_options() -> None:
    assert config(0)["flannel-backend"] == "none"
    assert set(config(1)) == {"token", "node-name", "node-ip", "node-label", "server"}


def test_no_manifest_of_the_lab_has_the_name_of_a_disabled_addon(monkeypatch: pytest.MonkeyPatch) -> None:
    """K3s would delete it, and the lab would have no storage or name service."""
    monkeypatch.setattr(addons, "adapt_metallb", lambda *_: [])
    names = addons.server_manifests(Path("/dev/null"), coredns=True)
    assert not {name.removesuffix(".yaml") for name in names} & set(cluster.DISABLED)
