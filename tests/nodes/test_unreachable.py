import re
from dataclasses import replace

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.config.nodes import Node, Proxy, Ssh
from components.nodes.unreachable import _log, explain, fingerprint

PINNED = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK9vzGeAGyDClVeJUe+UJ7C8zs5ip6h6jVzyj9/dcx4R"
OFFERED = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK8LCeTFlpJR+OI3iKQc5OqdPg5dtGungnsBcjavfZp0"
NODE = Node(
    name="cube01",
    host="10.0.0.2",
    host_key=PINNED,
    ssh=Ssh(user="pi", port=22, dial_timeout=3, dial_tries=2),
    offline=False,
)
AFTER = "after 1 failed attempts: "
HANDSHAKE = f"{AFTER}ssh: handshake failed: "


def ended(output: str, status: str = "1") -> str:
    """The provider's error about a command that ended like that."""
    return f'Process exited with status {status}: running "sh -c \'exec \\"sh\\" -s\' apply":\n{output}'


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (f"{AFTER}dial tcp 10.0.0.2:22: i/o timeout", "nodes.cube01.offline"),
        (f"{AFTER}dial tcp 10.0.0.2:22: connect: no route to host", "nodes.cube01.offline"),
        (f"{AFTER}dial tcp 10.0.0.2:22: connect: network is unreachable", "this computer's own network"),
        (f"{AFTER}dial tcp 10.0.0.2:22: connect: host is down", "switch the node on"),
        (f"{AFTER}dial tcp 10.0.0.2:22: connect: something that nobody has seen", "switch the node on"),
        (f"{AFTER}dial tcp [fd00::2]:22: connect: permission denied", "(permission denied)"),
        (f"{AFTER}dial tcp 10.0.0.2:22: connect: connection refused", "start sshd"),
        ("dial tcp: lookup cube01: no such host", "nodes.cube01.host"),
        ("dial tcp: lookup cube01 on 127.0.0.53:53: server misbehaving", "nodes.cube01.host"),
        ("dial tcp: lookup cube01 on 127.0.0.53:53: read udp 127.0.0.1:9->127.0.0.53:53: i/o timeout", "looked up"),
        (f"{HANDSHAKE}ssh: unable to authenticate, attempted methods [none publickey]", "authorized_keys"),
        (f"{HANDSHAKE}ssh: disconnect, reason 2: Too many authentication failures", "ssh-add -D"),
        (f"{HANDSHAKE}ssh: host key mismatch", "nodes.cube01.hostKey"),
        (
            f'{HANDSHAKE}ssh: no common algorithm for host key; we offered: ["ssh-rsa"], peer offered: []',
            "nodes.cube01.hostKey",
        ),
        (f'{HANDSHAKE}ssh: no common algorithm for key exchange; we offered: ["x"], peer offered: []', "upgrade"),
        (f"{HANDSHAKE}EOF", "MaxStartups"),
        (f"{HANDSHAKE}read tcp 10.0.0.1:9->10.0.0.2:22: read: connection reset by peer", "(read tcp 10.0.0.1:9->"),
        (f"{HANDSHAKE}ssh: overflow reading version string", "nodes.cube01.port"),
        ("dial unix /run/agent: connect: connection refused", "SSH_AUTH_SOCK"),
        ("dial unix /run/agent: connect: no such file or directory", "SSH_AUTH_SOCK"),
        (f"{HANDSHAKE}agent: client error: EOF", "SSH_AUTH_SOCK"),
        ("ssh: no key found", "config set --secret sshPrivateKey"),
        ("failed to parse private key: asn1: structure error", "config set --secret sshPrivateKey"),
        ("ssh: this private key is passphrase protected", "ssh-keygen -p"),
        ("failed to parse host key: ssh: no key found", "ssh-keyscan"),
        ("ssh: rejected: resource shortage", "MaxSessions"),
        ("ssh: rejected: unknown channel type (unsupported channel type)", "sshd_config"),
        ("wait: remote command exited without exit status or exit signal", "run `pulumi up` again"),
        (ended("", "137 from signal KILL"), "signal KILL"),
        (ended("sudo: a password is required"), "`sudo -n` does not work there"),
        (ended("sudo: Ein Passwort ist notwendig"), "`sudo -n` does not work there"),
        (ended("sudo: interactive authentication is required"), "`sudo -n` does not work there"),
        (ended("bash: line 1: sudo: command not found", "127"), "`sudo -n` does not work there"),
        (ended("sudo -n does not work here: whatever it says"), "`sudo -n` does not work there"),
        (ended("This account is currently not available."), "nodes.cube01.user"),
        (ended("/usr/sbin/nologin: no"), "nodes.cube01.user"),
        (ended('Please login as the user "ubuntu" rather than the user "root".'), "set nodes.cube01.user to ubuntu"),
        (ended("Please login as the user 'ec2-user' rather than"), "set nodes.cube01.user to ec2-user"),
        (ended("fish: Unknown command: test", "127"), "POSIX shell"),
        (ended("", "255"), "POSIX shell"),
        ("context deadline exceeded", "by hand"),
    ],
)
def test_each_failure_to_reach_a_node_names_the_node_and_a_remedy(error: str, remedy: str) -> None:
    sentence = explain(NODE, error, offered="")
    assert sentence is not None
    assert sentence.startswith("node cube01 (pi@10.0.0.2, port 22): ")
    assert remedy in sentence
    assert "\n" not in sentence


@given(st.sampled_from(["", AFTER, HANDSHAKE, "dial tcp 10.0.0.2:22: ", "dial unix /x: ", ended("")]), st.text())
def test_no_failure_is_without_a_sentence(how_far: str, reason: str) -> None:
    sentence = explain(NODE, how_far + reason, offered="")
    assert sentence is not None
    assert sentence.startswith("node cube01 (pi@10.0.0.2, port 22): ")
    assert re.search("; |: ", sentence.partition("22): ")[2])


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        (f"{AFTER}dial tcp 203.0.113.7:22: connect: connection refused", ["ssh.proxy.host", "node was not asked"]),
        (f"{AFTER}dial tcp: lookup jump: no such host", ["ssh.proxy.host", "lookup jump"]),
        (f"{AFTER}ssh: rejected: connect failed (Connection refused)", ["nodes.cube01.port", "AllowTcpForwarding"]),
        ("ssh: rejected: administratively prohibited (open failed)", ["nodes.cube01.host", "AllowTcpForwarding"]),
        (f"{HANDSHAKE}EOF", ["MaxStartups"]),
        ("something else", ["`ssh pi@10.0.0.2 -p 22 -J me@203.0.113.7:22`"]),
    ],
)
def test_a_failure_on_the_way_through_a_jump_host_names_it(error: str, parts: list[str]) -> None:
    proxy = Proxy(host="203.0.113.7", host_key=OFFERED, user="me")
    node = replace(NODE, ssh=NODE.ssh.model_copy(update={"proxy": proxy}))
    sentence = explain(node, error, offered="") or ""
    assert sentence.startswith("node cube01 (pi@10.0.0.2, port 22, through jump host me@203.0.113.7, port 22): ")
    for part in parts:
        assert part in sentence


@given(st.text())
def test_whatever_is_wrong_with_the_agent_is_not_blamed_on_the_node(reason: str) -> None:
    sentence = explain(NODE, f"dial unix /run/agent: connect: {reason}", offered="") or ""
    assert "the node was not asked" in sentence
    assert "start sshd" not in sentence


@pytest.mark.parametrize("output", ["dial tcp 10.0.0.2:22: connect: connection refused", "ssh: host key mismatch"])
def test_the_output_of_a_command_is_no_error_of_the_connection(output: str) -> None:
    assert "the login shell did not run our command" in (explain(NODE, ended(output), offered="") or "")


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


@pytest.mark.parametrize("words", ["found no k3s command", "sudo: x; connection refused; dial tcp 10.0.0.2:22: EOF"])
def test_a_message_from_the_node_itself_gets_no_second_explanation(words: str) -> None:
    assert explain(NODE, ended(f"node cube01: {words}\n"), offered="") is None


def test_fingerprints_are_those_of_openssh() -> None:
    # ssh-keygen -lf on the same line
    assert fingerprint(PINNED) == "SHA256:Lu4iTL9xd40QlCyWgJ0ph2Grl+1o8gGjCpDHV80RsrI"


def failed(name: str) -> pulumi.ErrorHookArgs:
    errors = [f"{AFTER}dial tcp 10.0.0.2:22: connect: connection refused"]
    return pulumi.ErrorHookArgs("urn", "", name, "command:remote:Command", failed_operation="create", errors=errors)


def test_a_failed_command_is_explained_by_its_own_node(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "error", said.append)
    nodes = {node.name: node for node in (NODE, replace(NODE, name="cube-02", host="10.0.0.3"))}
    assert _log(nodes, failed("cube-02-trust")) is False
    assert [sentence.partition(":")[0] for sentence in said] == ["node cube-02 (pi@10.0.0.3, port 22)"]


def test_a_node_that_left_the_configuration_is_not_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "error", said.append)
    assert _log({NODE.name: NODE}, failed("cube09-trust")) is False
    assert said == []
