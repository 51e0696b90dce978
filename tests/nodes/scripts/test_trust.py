"""trust.sh on a node in a temporary root: what it writes, what it does not touch, and what it restores."""

from pathlib import Path

import pytest

from tests.authority import Authority
from tests.nodes.scripts.node import (
    CA_FILE,
    CERTS,
    HOSTS_TOML,
    MIRRORS_ENTRY,
    REGISTRIES_YAML,
    REGISTRY,
    Node,
    plain_node,
    trust,
)
from tests.nodes.scripts.shells import Shell

TOML = f"{CERTS}/{REGISTRY}/hosts.toml"
YAML = "/etc/rancher/k3s/registries.yaml"
PARTS = ["ca", "hosts", "registries", "hosts.toml", "nodes"]


def test_apply_writes_every_part(node: Node, authority: Authority) -> None:
    outcome = node.run("apply")
    assert outcome.stderr == ""
    assert outcome.answer["what"] == PARTS
    assert outcome.answer["changed"] is True
    assert node.read(CA_FILE) == authority.pem.encode()
    assert node.read(YAML) == REGISTRIES_YAML.encode()
    assert node.read(TOML) == HOSTS_TOML.encode()
    assert node.read("/etc/hosts").decode() == (
        "127.0.0.1\tlocalhost\n127.0.1.1\tcube01\n"
        "# BEGIN k3s-registry\n10.77.0.202 registry.cube.local registry\n# END k3s-registry\n"
    )


def test_modes_are_those_that_k3s_uses(node: Node) -> None:
    """Files are readable by everybody, and containerd's directories by root alone."""
    node.run("apply")
    assert (node.root / CA_FILE[1:]).stat().st_mode & 0o777 == 0o644
    assert (node.root / YAML[1:]).stat().st_mode & 0o777 == 0o644
    assert (node.root / TOML[1:]).parent.stat().st_mode & 0o777 == 0o700
    assert (node.root / CERTS[1:]).stat().st_mode & 0o777 == 0o700


def test_the_trust_revision_is_reported_back(node: Node) -> None:
    assert node.run("apply", trust_revision="a1b2").answer["revision"] == "a1b2"


def test_a_second_apply_changes_nothing(node: Node) -> None:
    first = node.run("apply").answer
    before = node.tree(times=True)
    second = node.run("apply").answer
    assert second == {"changed": False, "what": [], "revision": first["revision"]}
    assert node.tree(times=True) == before


def test_remove_restores_the_former_tree(node: Node) -> None:
    before = node.tree()
    node.run("apply")
    answer = node.run("remove").answer
    assert answer == {"changed": True, "what": ["hosts.toml", "registries", "hosts", "ca", "nodes"]}
    assert node.tree() == before


def test_remove_keeps_empty_directories_that_existed_before(node: Node) -> None:
    for directory in ("etc/rancher/k3s", CERTS[1:]):
        (node.root / directory).mkdir(parents=True)
    before = node.tree()
    node.run("apply")
    node.run("remove")
    assert node.tree() == before


def test_a_second_remove_changes_nothing(node: Node) -> None:
    node.run("apply")
    node.run("remove")
    before = node.tree(times=True)
    assert node.run("remove").answer == {"changed": False, "what": []}
    assert node.tree(times=True) == before


def test_remove_needs_no_k3s(node: Node) -> None:
    node.run("apply")
    (node.root / "usr/local/bin/k3s").unlink()
    assert node.run("remove").answer["changed"] is True


def test_remove_leaves_files_by_which_others_replaced_ours(node: Node) -> None:
    node.run("apply")
    node.write(YAML, "mirrors: {}\n")
    node.write(TOML, "server = 'https://elsewhere'\n")
    node.run("remove")
    assert node.read(YAML) == b"mirrors: {}\n"
    assert node.read(TOML) == b"server = 'https://elsewhere'\n"


def test_check_finds_no_drift_after_apply(node: Node) -> None:
    node.run("apply")
    outcome = node.run("check")
    assert (outcome.status, outcome.answer) == (0, {"drift": []})


@pytest.mark.parametrize(
    ("part", "path"), [("ca", CA_FILE), ("hosts", "/etc/hosts"), ("registries", YAML), ("hosts.toml", TOML)]
)
def test_check_names_the_part_that_drifted_and_changes_nothing(node: Node, part: str, path: str) -> None:
    node.run("apply")
    node.write(path, "something else\n")
    before = node.tree(times=True)
    outcome = node.run("check")
    assert (outcome.status, outcome.answer) == (3, {"drift": [part]})
    assert node.tree(times=True) == before


def test_check_on_an_untouched_node_names_every_part(node: Node) -> None:
    before = node.tree(times=True)
    outcome = node.run("check")
    assert (outcome.status, outcome.answer) == (3, {"drift": PARTS})
    assert node.tree(times=True) == before


def test_apply_mends_drift(node: Node) -> None:
    node.run("apply")
    node.write(TOML, HOSTS_TOML + "# touched\n")
    (node.root / CA_FILE[1:]).unlink()
    assert node.run("apply").answer["what"] == ["ca", "hosts.toml"]
    assert node.run("check").status == 0


def test_the_mode_of_an_existing_file_stays(node: Node, second_authority: Authority) -> None:
    node.run("apply")
    (node.root / YAML[1:]).chmod(0o600)
    (node.root / "etc/hosts").chmod(0o640)
    node.run("apply", mirrors_entry=MIRRORS_ENTRY + "  rewrite: {}\n", address="10.77.0.203", **trust(second_authority))
    assert (node.root / YAML[1:]).stat().st_mode & 0o777 == 0o600
    assert (node.root / "etc/hosts").stat().st_mode & 0o777 == 0o640


def test_the_owner_of_an_existing_file_stays(node: Node) -> None:
    hosts = node.root / "etc/hosts"
    try:
        __import__("os").chown(hosts, 12, 34)
    except PermissionError:
        pytest.skip("needs root")
    node.run("apply")
    assert (hosts.stat().st_uid, hosts.stat().st_gid) == (12, 34)


def test_a_linked_file_is_changed_at_its_target(node: Node) -> None:
    real = node.write("/srv/hosts", "127.0.0.1 localhost\n")
    (node.root / "etc/hosts").unlink()
    (node.root / "etc/hosts").symlink_to(real)
    node.run("apply")
    assert (node.root / "etc/hosts").is_symlink()
    assert b"10.77.0.202" in real.read_bytes()


def test_a_changed_address_replaces_the_old_one(node: Node) -> None:
    node.run("apply")
    assert node.run("apply", address="10.77.0.203").answer["what"] == ["hosts"]
    assert node.read("/etc/hosts").count(b"registry.cube.local registry") == 1
    assert b"10.77.0.203 registry.cube.local registry\n" in node.read("/etc/hosts")


def test_a_data_dir_from_k3s_own_configuration_is_followed(node: Node) -> None:
    node.write("/etc/rancher/k3s/config.yaml", 'node-name: cube01\ndata-dir: "/mnt/big disk/k3s"  # on the SSD\n')
    certs = "/mnt/big disk/k3s/agent/etc/containerd/certs.d"
    node.write("/mnt/big disk/k3s/agent/etc/containerd/config.toml", f"config_path = '{certs}'\n")
    assert node.run("apply").stderr == ""
    assert node.read(f"{certs}/{REGISTRY}/hosts.toml") == HOSTS_TOML.encode()


def test_a_drop_in_of_k3s_configuration_wins(node: Node) -> None:
    node.write("/etc/rancher/k3s/config.yaml", "data-dir: /mnt/a\n")
    node.write("/etc/rancher/k3s/config.yaml.d/10.yaml", "'data-dir': '/mnt/b'\n")
    node.write("/mnt/b/agent/etc/containerd/config.toml", 'config_path = "/mnt/b/agent/etc/containerd/certs.d"\n')
    assert node.run("apply").status == 0
    assert (node.root / f"mnt/b/agent/etc/containerd/certs.d/{REGISTRY}/hosts.toml").exists()


def test_a_root_with_spaces_in_its_name_works(tmp_path: Path, shell: Shell, authority: Authority) -> None:
    node = plain_node(tmp_path / "a root with spaces", shell, authority)
    before = node.tree()
    assert node.run("apply").answer["what"] == PARTS
    assert node.run("check").status == 0
    node.run("remove")
    assert node.tree() == before


@pytest.mark.parametrize("name", ["cube-01", "a.b.c", "n" * 63, "0"])
def test_the_answer_is_json_for_any_legal_node_name(node: Node, name: str) -> None:
    assert node.run("apply", node=name).answer["changed"] is True


def test_every_certificate_of_a_bundle_is_written(
    node: Node, authority: Authority, second_authority: Authority
) -> None:
    assert node.run("apply", **trust(authority, second_authority)).status == 0
    assert node.read(CA_FILE) == (authority.pem + second_authority.pem).encode()
