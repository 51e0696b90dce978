from collections.abc import Callable
from pathlib import Path

import pytest

from ops import stack_file
from ops.failure import OpsError

PROJECT = Path(__file__).parents[2]
LATE = {"cube09": {"host": "192.168.0.19", "hostKey": "ssh-ed25519 AAAA", "role": "server"}}
BY_HAND = """\
# ours
encryptionsalt: "v1:abc"
config:

    k3s-registry:hostname: 'registry'   # quoted
    k3s-registry:aliases:
        - a   # first
        - "b"
    k3s-registry:nodeSelector: { node-type:   worker }
    k3s-registry:nodes:
        # the rack
        cube01:
            host: "10.0.0.1"   # fixed
            hostKey: ssh-ed25519 AAAA LONG
        # the end of the rack

    # How nodes are reached
    k3s-registry:ssh:
        user: pi
""".replace("LONG", "long " * 60)


def added(old: str, new: str) -> list[str]:
    """The lines that a file gained; fails if it lost one."""
    lines = stack_file.diff(Path("x"), old, new).splitlines()[2:]
    assert [line for line in lines if line.startswith("-")] == []
    return [line[1:] for line in lines if line.startswith("+")]


def rows(indent: int) -> list[str]:
    host, key, role = (f"{name}: {value}" for name, value in LATE["cube09"].items())
    return [f"{' ' * (indent * level)}{line}" for level, line in ((2, "cube09:"), (3, host), (3, key), (3, role))]


@pytest.mark.parametrize(
    ("text", "indent"),
    [
        ((PROJECT / "Pulumi.dev.yaml").read_text(encoding="utf-8"), 2),
        (BY_HAND, 4),
        (BY_HAND.rstrip("\n"), 4),
        ("config:\n  nodes:\n    a: {host: x} # flow\n\n# the end\n", 2),
    ],
    ids=["the lab's", "by hand", "without a last line break", "without a namespace"],
)
def test_only_the_lines_of_a_late_node_are_added(text: str, indent: int) -> None:
    assert added(text.rstrip("\n"), stack_file.with_nodes(text, LATE).rstrip("\n")) == rows(indent)


def test_a_late_node_stays_above_the_comment_of_the_next_key() -> None:
    before = stack_file.with_nodes(BY_HAND, LATE).partition("    # How nodes are reached")[0].rstrip("\n")
    assert before.endswith("role: server")


@pytest.mark.parametrize("text", ["", "encryptionsalt: x\n", "config:\n", "config:\n  k3s-registry:nodes: {}\n"])
def test_the_first_nodes_of_a_stack_file_are_added(text: str) -> None:
    assert stack_file.with_nodes(text, LATE).endswith("config:\n  k3s-registry:nodes:\n" + "\n".join(rows(2)) + "\n")


def test_keys_come_with_their_comments_and_beside_secrets() -> None:
    text = "config:\n  k3s-registry:sshPrivateKey:\n    secure: v1:x\n"
    made = stack_file.with_keys(text, {"ip": "10.0.0.1", "ssh": {"user": "pi"}}, {"ssh": "How."})
    assert made == text + "  k3s-registry:ip: 10.0.0.1\n  # How.\n  k3s-registry:ssh:\n    user: pi\n"
    assert stack_file.keys(made) == {"sshPrivateKey", "ip", "ssh"}


@pytest.mark.parametrize(
    "text", ["a: [", "- a\n", "config: {a: 1, a: 2}\n", "config: [a]\n", "config: a\n", "config:\n  nodes: a\n"]
)
@pytest.mark.parametrize("reads", [stack_file.keys, lambda text: stack_file.with_nodes(text, LATE)])
def test_a_file_that_is_no_stack_file_is_refused(reads: Callable[[str], object], text: str) -> None:
    with pytest.raises(OpsError, match=r"the stack file('s `[a-z]+`)? is not"):
        reads(text)


def test_a_written_file_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.x.yaml"
    path.write_text("a")
    path.chmod(0o600)
    stack_file.write(path, "b")
    assert (path.read_text(), path.stat().st_mode & 0o777, len([*tmp_path.iterdir()])) == ("b", 0o600, 1)


def test_a_directory_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(OpsError, match=r"Pulumi\.home\.yaml cannot be written \(No such file or directory\): "):
        stack_file.write(tmp_path / "missing/Pulumi.home.yaml", "config:\n")
