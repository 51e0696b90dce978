"""A machine that is configured under two names for a while: an `up` that renames a node creates before it deletes."""

import pytest

from tests.nodes.scripts.node import CA_FILE, Node

OWNERS = "/etc/rancher/k3s/k3s-registry-nodes"


def test_a_renamed_node_keeps_its_trust_when_the_old_name_is_removed(node: Node) -> None:
    node.run("apply", node="old")
    node.run("apply", node="new")
    before = node.read(CA_FILE)
    assert node.run("remove", node="old").status == 0
    assert node.read(CA_FILE) == before
    assert node.run("check", node="new").answer == {"drift": []}


def test_a_reverted_rename_leaves_the_node_unchanged(node: Node) -> None:
    node.run("apply", node="old")
    before = node.tree()
    node.run("apply", node="new")
    node.run("remove", node="new")
    assert node.tree() == before


@pytest.mark.parametrize("order", [("old", "new"), ("new", "old")])
def test_removing_the_last_name_removes_everything(node: Node, order: tuple[str, str]) -> None:
    before = node.tree()
    for name in ("old", "new"):
        node.run("apply", node=name)
    for name in order:
        assert node.run("remove", node=name).answer["changed"] is True
    assert node.tree() == before


def test_removing_the_old_name_keeps_the_settings_of_the_new_one(node: Node) -> None:
    node.run("apply", node="old")
    other = {"hostname": "images.local"}
    entries = {
        key: node.settings[key].replace("registry.cube.local", "images.local")
        for key in ("mirrors_entry", "configs_entry", "hosts_toml")
    }
    node.run("apply", node="new", **other, **entries)
    before = node.tree()
    node.run("remove", node="old")
    assert {path: what for path, what in node.tree().items() if path != OWNERS.lstrip("/")} == {
        path: what for path, what in before.items() if path != OWNERS.lstrip("/")
    }


def test_a_node_without_a_list_of_names_can_be_removed(node: Node) -> None:
    before = node.tree()
    node.run("apply")
    (node.root / OWNERS.lstrip("/")).unlink()
    node.run("remove")
    assert node.tree() == before
