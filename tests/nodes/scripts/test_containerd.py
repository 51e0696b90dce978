"""The directory that containerd reads, the files of others in it, and when K3s must be restarted."""

from pathlib import Path

import pytest

from tests.nodes.scripts.node import CA_FILE, CERTS, CONFIG, HOSTS_TOML, REGISTRY, Node
from tests.nodes.scripts.services import ANEW, STALE
from tests.nodes.scripts.test_k3s import assert_followed, assert_refused


@pytest.mark.parametrize(
    "configured", ["/etc/containerd/certs.d", "/etc/containerd/certs.d:/etc/docker/certs.d"], ids=["one", "several"]
)
def test_the_directory_that_containerd_reads_counts(node: Node, configured: str) -> None:
    node.write(CONFIG, ANEW.replace(CERTS, configured))
    before = node.tree()
    assert_followed(node, "/etc/containerd/certs.d")
    assert node.tree() == before


def test_a_directory_created_by_others_is_not_removed(node: Node) -> None:
    node.write(CONFIG, ANEW.replace(CERTS, "/etc/containerd/certs.d"))
    node.write("/etc/containerd/certs.d/docker.io/hosts.toml", 'server = "https://docker.io"\n')
    before = node.tree()
    node.run("apply")
    node.run("remove")
    assert node.tree() == before


def test_the_config_path_of_another_plugin_does_not_count(node: Node) -> None:
    node.write(CONFIG, ANEW + "[plugins.'io.containerd.transfer.v1.local']\n  config_path = '/srv/transfer'\n")
    assert_followed(node, CERTS)


def test_an_empty_config_path_counts_as_absent(node: Node) -> None:
    node.write(CONFIG, STALE + '  config_path = ""\n')
    assert_refused(node, f"no config_path in {CONFIG}", "set rollout: serial")


@pytest.mark.parametrize("template", ["config.toml.tmpl", "config-v3.toml.tmpl"])
def test_a_template_without_config_path_is_refused(node: Node, template: str) -> None:
    """A restart would not help."""
    node.write(CONFIG, STALE)
    node.write(f"{Path(CONFIG).parent}/{template}", STALE)
    assert_refused(node, f"{Path(CONFIG).parent}/{template}", f'config_path = "{CERTS}"', rollout="serial")


@pytest.mark.parametrize("text", ['{{ template "base" . }}\n', ANEW])
def test_a_template_with_config_path_only_needs_a_restart(node: Node, text: str) -> None:
    node.write(CONFIG, STALE)
    node.write(f"{Path(CONFIG).parent}/config.toml.tmpl", text)
    assert_refused(node, "K3s must be restarted", "set rollout: serial")


def test_a_restart_without_a_known_service_is_refused(node: Node) -> None:
    node.write(CONFIG, STALE)
    assert_refused(node, "no service of K3s", "by hand", rollout="serial")


MIRROR = """
[host."https://127.0.0.1:6443/v2"]
  capabilities = ["pull", "resolve"]
  ca = ["/var/lib/rancher/k3s/agent/server-ca.crt"]
  client = [["/var/lib/rancher/k3s/agent/client-kubelet.crt", "/var/lib/rancher/k3s/agent/client-kubelet.key"]]
"""


def test_parts_of_the_embedded_registry_mirror_stay(node: Node) -> None:
    toml = f"{CERTS}/{REGISTRY}/hosts.toml"
    node.run("apply")
    node.write(toml, HOSTS_TOML + MIRROR)
    before = node.tree(times=True)
    assert node.run("apply").answer["changed"] is False
    assert node.run("check").status == 0
    assert node.tree(times=True) == before
    node.run("remove")
    assert not (node.root / toml[1:]).exists()


@pytest.mark.parametrize(
    "spoilt",
    [
        HOSTS_TOML.replace(CA_FILE, "/etc/other.crt") + MIRROR,
        HOSTS_TOML.replace("\n[host]", "skip_verify = true\n\n[host]") + MIRROR,
        HOSTS_TOML + MIRROR.replace("127.0.0.1:6443", "elsewhere"),
        HOSTS_TOML + MIRROR + '[host."https://elsewhere/v2"]\n',
    ],
    ids=["other authority", "not verified", "other host", "one more host"],
)
def test_any_difference_beside_the_mirror_is_corrected(node: Node, spoilt: str) -> None:
    node.run("apply")
    node.write(f"{CERTS}/{REGISTRY}/hosts.toml", spoilt)
    assert node.run("check").answer == {"drift": ["hosts.toml"]}
    assert node.run("apply").answer["what"] == ["hosts.toml"]
    assert node.read(f"{CERTS}/{REGISTRY}/hosts.toml") == HOSTS_TOML.encode()
