from dataclasses import replace

import pytest

from components.config.model import Node, Ssh
from components.nodes.unreachable import explain, fingerprint

PINNED = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK9vzGeAGyDClVeJUe+UJ7C8zs5ip6h6jVzyj9/dcx4R"
OFFERED = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK8LCeTFlpJR+OI3iKQc5OqdPg5dtGungnsBcjavfZp0"
NODE = Node(
    name="cube01",
    host="10.0.0.2",
    host_key=PINNED,
    ssh=Ssh(user="pi", port=22, dial_timeout=3, dial_tries=2),
    offline=False,
)


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        ("after 1 failed attempts: dial tcp 10.0.0.2:22: i/o timeout", "nodes.cube01.offline"),
        ("after 1 failed attempts: dial tcp 10.0.0.2:22: connect: connection refused", "start sshd"),
        ("dial tcp: lookup cube01: no such host", "nodes.cube01.host"),
        ("ssh: handshake failed: ssh: unable to authenticate, attempted methods [none publickey]", "authorized_keys"),
        ("ssh: handshake failed: ssh: host key mismatch", "nodes.cube01.hostKey"),
        ("Process exited with status 1: sudo: a password is required", "sudo"),
    ],
)
def test_each_failure_to_reach_a_node_names_the_node_and_a_remedy(error: str, remedy: str) -> None:
    sentence = explain(NODE, error, offered="")
    assert sentence is not None
    assert "node cube01 (pi@10.0.0.2, port 22)" in sentence
    assert remedy in sentence


def test_a_new_offline_node_gets_a_remedy_of_its_own() -> None:
    """It is marked offline already; the remedy is to remove it from the configuration."""
    sentence = explain(replace(NODE, offline=True), "dial tcp 10.0.0.2:22: i/o timeout", offered="")
    assert sentence is not None
    assert "remove nodes.cube01" in sentence


def test_a_wrong_host_key_shows_both_fingerprints() -> None:
    sentence = explain(NODE, "ssh: host key mismatch", offered=OFFERED)
    assert sentence is not None
    assert fingerprint(PINNED) in sentence
    assert fingerprint(OFFERED) in sentence


def test_a_message_from_the_node_itself_gets_no_second_explanation() -> None:
    assert explain(NODE, "Process exited with status 1: node cube01: found no k3s command", offered="") is None


def test_fingerprints_are_those_of_openssh() -> None:
    # ssh-keygen -lf on the same line
    assert fingerprint(PINNED) == "SHA256:Lu4iTL9xd40QlCyWgJ0ph2Grl+1o8gGjCpDHV80RsrI"
