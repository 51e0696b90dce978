import pytest

from components.config.nodes import Node, Ssh
from components.nodes.unreachable import fingerprint
from ops import found_nodes
from ops.cluster import ClusterNode
from ops.found_nodes import FoundNode, State
from ops.host_keys import Known, Server

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK9vzGeAGyDClVeJUe+UJ7C8zs5ip6h6jVzyj9/dcx4R"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK8LCeTFlpJR+OI3iKQc5OqdPg5dtGungnsBcjavfZp0"
HOST = "192.168.0.11"
IN_CLUSTER = ClusterNode(name="cube01", address=HOST, is_server=True, labels={})


def found(
    monkeypatch: pytest.MonkeyPatch,
    *,
    keys: list[str],
    pinned: str | None = None,
    known: Known = Known.UNKNOWN,
    cluster: tuple[ClusterNode, ...] = (IN_CLUSTER,),
    offline: bool = False,
) -> FoundNode:
    """What is found of the one node, whose server offers these keys."""
    monkeypatch.setattr(found_nodes, "scan", lambda servers, _jump: dict.fromkeys(servers, keys))
    monkeypatch.setattr(found_nodes, "known", lambda *_: known)
    monkeypatch.setattr(found_nodes, "silence", lambda *_: "no SSH server answered")
    listed = [Node(name="cube01", host=HOST, host_key=pinned, ssh=Ssh(), offline=offline)] if pinned else []
    (node,) = found_nodes.find(cluster, listed, Ssh())
    return node


def test_a_new_node_is_added_with_its_part_in_k3s(monkeypatch: pytest.MonkeyPatch) -> None:
    node = found(monkeypatch, keys=[KEY])
    assert found_nodes.new([node]) == {"cube01": {"host": HOST, "hostKey": KEY, "role": "server"}}
    assert found_nodes.all_good([node])


@pytest.mark.parametrize(
    ("given", "state", "words"),
    [
        ({"keys": []}, State.SILENT, "no SSH server answered; the node is not added"),
        ({"keys": ["ssh-rsa AAAA"]}, State.SILENT, "pinning RSA asks for a SHA-1 signature"),
        ({"keys": [KEY], "known": Known.OTHER}, State.DOUBTED, f"ssh-keygen -R '{HOST}'"),
        ({"keys": [OTHER], "pinned": KEY}, State.CHANGED, f"hostKey' '{OTHER}'"),
        ({"keys": [], "pinned": KEY}, State.LISTED, "its entry stays"),
        ({"keys": [KEY], "pinned": KEY, "cluster": ()}, State.GONE, "remove it from nodes"),
    ],
    ids=["silent", "RSA alone", "known otherwise", "changed", "listed and silent", "gone"],
)
def test_what_needs_attention_is_never_written(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, object], state: State, words: str
) -> None:
    node = found(monkeypatch, **given)  # type: ignore[arg-type]  # each case is one of its keywords
    assert (node.state, found_nodes.new([node])) == (state, {})
    assert words in node.remark
    assert not found_nodes.all_good([node])


def test_a_comment_behind_a_pinned_key_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(monkeypatch, keys=[OTHER, KEY], pinned=f"{KEY} root@cube01").state is State.LISTED


def test_an_offline_node_is_not_contacted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(monkeypatch, keys=[OTHER], pinned=KEY, offline=True).state is State.OFFLINE


def test_fingerprints_are_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    name = "a-node-with-a-long-name.example.org"
    found_nodes.show([FoundNode(name=name, state=State.NEW, server=Server(host=HOST), key=KEY, known=Known.UNKNOWN)])
    shown = capsys.readouterr().out
    assert name in shown
    assert fingerprint(KEY) in shown


def test_a_fingerprint_is_that_of_ssh_keygen() -> None:
    assert fingerprint(KEY) == "SHA256:Lu4iTL9xd40QlCyWgJ0ph2Grl+1o8gGjCpDHV80RsrI"
