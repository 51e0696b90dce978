"""A node on which only a restart of K3s makes containerd read our files, and the state that it must end in."""

from pathlib import Path

import pytest

from lab.tests.waiting import wait_until
from tests.nodes.scripts.node import CA_FILE, CERTS, CONFIG, HOSTS_TOML, REGISTRY, Node
from tests.nodes.scripts.services import NOW, RENEWED, STALE, openrc, restartable, starts, states, systemd

YAML = "/etc/rancher/k3s/registries.yaml"
TOML = f"{CERTS}/{REGISTRY}/hosts.toml"
FILES = (CA_FILE, "/etc/hosts", YAML, TOML)
JOURNAL = f"{CA_FILE}.restart"
LOCK = "run/k3s-registry.lock"
LONG_AGO = "2026-01-01T00:00:00"
NOTHING = ":"
RENDERS = f'cat "$root/anew" >"$root{CONFIG}"'
FAILURES = pytest.mark.parametrize(
    ("start", "state", "seen"),
    [
        ("exit 1", "exit 1", "not written anew"),
        (NOTHING, f'echo "True {NOW} {RENEWED}"', "not written anew"),
        (f'cat "$root/stale" >"$root{CONFIG}"', f'echo "True {NOW} {RENEWED}"', "no config_path"),
        (RENDERS, "exit 1", "no answer from the API server"),
        (RENDERS, f'echo "False {NOW} {RENEWED}"', "Ready=False"),
        (RENDERS, f'echo "True {LONG_AGO}Z {RENEWED}"', f"Ready=True {LONG_AGO}Z"),
        (RENDERS, f'echo "True {NOW} {LONG_AGO}.123456Z"', f"{LONG_AGO}.123456Z"),
    ],
    ids=["fails", "hangs", "renders as before", "no API", "not ready", "no heartbeat", "no renewal"],
)


def stale_node(node: Node) -> Node:
    """Turn a node into such a node, with Debian's services or Alpine's."""
    restartable(node)
    node.write("/stale", STALE)
    node.write(YAML, "mirrors:\n  docker.io:\n    endpoint: [https://mirror]\n", 0o600)
    if node.shell.name == "dash":
        systemd(node)
        (node.root / "run/systemd/system").mkdir(parents=True)
    else:
        openrc(node)
    return node


def ours(node: Node) -> dict[str, object]:
    """Every file that the program manages on the node, and its own files."""
    kept = {path.lstrip("/") for path in FILES}
    return {name: entry for name, entry in node.tree().items() if name in kept or "k3s-registry" in name}


def settled(node: Node) -> None:
    """Wait until the restart has ended."""
    wait_until(lambda: ended(node), 60, "the lock is free")


def settle_and_converge(node: Node) -> None:
    """Check that the next run succeeds after one that failed, once K3s and the API server work again."""
    settled(node)
    starts(node, RENDERS)
    states(node, f'echo "True {NOW} {RENEWED}"')
    outcome = node.run("apply")
    assert (outcome.status, outcome.stderr) == (0, "")
    assert node.read(TOML) == HOSTS_TOML.encode()
    assert node.run("check").status == 0
    before = node.tree(times=True)
    assert node.run("apply").answer["changed"] is False
    assert node.tree(times=True) == before
    assert not (node.root / JOURNAL[1:]).exists()


def ended(node: Node) -> bool:
    """Whether no living process holds the lock."""
    lock = node.root / LOCK
    return not lock.is_symlink() or not Path(f"/proc/{lock.readlink()}").exists()


def existing(node: Node, path: str) -> bytes | None:
    """A file's content, or None if the file does not exist."""
    file = node.root / path[1:]
    return file.read_bytes() if file.exists() else None
