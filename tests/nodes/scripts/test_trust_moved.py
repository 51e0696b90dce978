"""A registry that moved to another name, port or address: nothing of the former one remains."""

import pytest

from tests.nodes.scripts.node import (
    CERTS,
    CONFIGS_ENTRY,
    HOSTS_TOML,
    MIRRORS_ENTRY,
    REGISTRY,
    Node,
)

TOML = f"{CERTS}/{REGISTRY}/hosts.toml"
YAML = "/etc/rancher/k3s/registries.yaml"


def elsewhere(registry: str, address: str, names: str) -> dict[str, str]:
    """The settings of the same stack with another address of its registry."""
    return {
        "hostname": registry.partition(":")[0],
        "port": registry.partition(":")[2],
        "address": address,
        "names": names,
        "mirrors_entry": MIRRORS_ENTRY.replace(REGISTRY, registry),
        "configs_entry": CONFIGS_ENTRY.replace(REGISTRY, registry),
        "hosts_toml": HOSTS_TOML.replace(REGISTRY, registry),
    }


@pytest.mark.parametrize(
    "changed",
    [
        elsewhere("registry.cube.local:5001", "10.77.0.202", "registry.cube.local registry"),
        elsewhere("images.cube.local:5000", "10.77.0.203", "images.cube.local"),
    ],
    ids=["port", "name and address"],
)
def test_a_registry_that_moved_leaves_nothing_of_the_old_one(node: Node, changed: dict[str, str]) -> None:
    before = node.tree()
    node.run("apply")
    assert node.run("apply", **changed).status == 0
    assert not (node.root / TOML[1:]).parent.exists()
    assert (node.root / CERTS[1:] / f"{changed['hostname']}:{changed['port']}/hosts.toml").exists()
    assert node.read("/etc/hosts").count(b"# BEGIN k3s-registry") == 1
    assert node.run("apply", **changed).answer["changed"] is False
    node.run("remove", **changed)
    assert node.tree() == before


def test_an_interrupted_change_of_the_registry_is_undone(node: Node) -> None:
    before = node.tree()
    node.run("apply")
    # The state holds the new settings, the node still has the files of the old ones.
    node.run("remove", **elsewhere("images.cube.local:5000", "10.77.0.203", "images.cube.local"))
    assert node.tree() == before


def test_check_reports_a_registry_that_moved_and_changes_nothing(node: Node) -> None:
    node.run("apply")
    before = node.tree(times=True)
    outcome = node.run("check", **elsewhere("registry.cube.local:5001", "10.77.0.202", "registry.cube.local registry"))
    drift = outcome.answer["drift"]
    assert isinstance(drift, list)
    assert "hosts.toml" in drift
    assert node.tree(times=True) == before
