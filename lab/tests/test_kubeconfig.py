"""The copy of the kubeconfig that the server's K3s writes."""

from pathlib import Path

import pytest
import yaml

from lab import kubeconfig, settings
from lab.machines import Machine
from lab.settings import Lab, LabError, MachineName

KUBECONFIG = {
    "clusters": [{"name": "default", "cluster": {"server": "https://127.0.0.1:6443"}}],
    "users": [{"name": "default", "user": {"client-key-data": "a2V5"}}],
}


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setattr(settings, "STATE_ROOT", tmp_path)
    monkeypatch.setattr(kubeconfig, "WRITTEN_SECONDS", 0.0)
    return Lab("neverwas")


def test_the_labs_kubeconfig_is_the_servers_with_its_address_on_the_lan(lab: Lab) -> None:
    path = Machine(lab, MachineName(0)).path("/etc/rancher/k3s/k3s.yaml")
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(KUBECONFIG))
    kubeconfig.fetch_kubeconfig(lab)
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
    with pytest.raises(LabError, match=r"(?s)no k3s\.yaml in 0 s; control01: k3s\.service is unknown.*enter control01"):
        kubeconfig.fetch_kubeconfig(lab)
