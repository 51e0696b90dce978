"""The files of a machine as a node: those that a real K3s would misread if they were written otherwise."""

from pathlib import Path

import pytest
import yaml

from lab import addons, cluster, settings
from lab.machines import Machine
from lab.settings import Lab, LabError, MachineName

KUBECONFIG = {
    "clusters": [{"name": "default", "cluster": {"server": "https://127.0.0.1:6443"}}],
    "users": [{"name": "default", "user": {"client-key-data": "a2V5"}}],
}


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setattr(settings, "STATE_ROOT", tmp_path)
    monkeypatch.setattr(cluster, "KUBECONFIG_SECONDS", 0.0)
    return Lab("neverwas")


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
    """K3s would skip it, and the lab would have no storage or name service."""
    monkeypatch.setattr(addons, "adapt_metallb", lambda *_: [])
    names = addons.server_manifests(Path("/dev/null"), coredns=True)
    assert not {name.removesuffix(".yaml") for name in names} & set(cluster.DISABLED)


def test_the_labs_kubeconfig_is_the_servers_with_its_address_on_the_lan(lab: Lab) -> None:
    path = Machine(lab, MachineName(0)).path("/etc/rancher/k3s/k3s.yaml")
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(KUBECONFIG))
    cluster.fetch_kubeconfig(lab)
    copied = yaml.safe_load(lab.kubeconfig.read_text())
    assert copied["clusters"][0]["cluster"]["server"] == "https://10.77.0.11:6443"
    assert copied["users"] == KUBECONFIG["users"]
    assert lab.kubeconfig.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", [None, "", "clusters: []\n"])
def test_a_server_that_writes_no_whole_kubeconfig_is_named_with_its_journal(lab: Lab, text: str | None) -> None:
    path = Machine(lab, MachineName(0)).path("/etc/rancher/k3s/k3s.yaml")
    path.parent.mkdir(parents=True)
    if text is not None:
        path.write_text(text)
    with pytest.raises(LabError, match=r"K3s on control01 wrote no k3s\.yaml .* journalctl -u k3s"):
        cluster.fetch_kubeconfig(lab)
