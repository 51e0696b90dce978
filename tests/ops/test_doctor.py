"""The doctor without nodes: words, table, JSON, and the client's options; a script stands in for `ssh`."""

import asyncio
import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from components.config.nodes import HOST_KEY_EXAMPLE, Node, Proxy, Ssh
from ops.__main__ import main
from ops.doctor import show, ssh
from ops.doctor.ask import Patience, ask_all
from ops.doctor.checks import CHECKS, Check, Finding, Outcome
from ops.doctor.targets import Asked, Target

GOOD = '{"version":"v1.34.4+k3s1","checks":{"pull":{"outcome":"ok","sentence":""}}}'
SETTINGS = {"hostname": "r.example", "port": "5000"}
BAD = Check(outcome=Outcome.FAILED, sentence="found no name; it must resolve; add it")


def target(name: str = "cube01", *, offline: bool = False, proxy: Proxy | None = None) -> Target:
    reached = Ssh(user="pi", port=2222, proxy=proxy)
    node = Node(name=name, host="192.0.2.7", host_key=HOST_KEY_EXAMPLE, ssh=reached, offline=offline)
    return Target(name=name, node=node, settings=SETTINGS)


def ask(
    monkeypatch: pytest.MonkeyPatch, folder: Path, script: str, *targets: Target, seconds: int = 10
) -> list[Finding]:
    """Ask with `script` in the place of OpenSSH's client."""
    (folder / "ssh").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return asyncio.run(ask_all(Asked(registry="r:1", targets=targets), Patience(seconds=seconds, at_once=2)))


def test_an_answer_is_found_behind_what_a_login_shell_prints(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (finding,) = ask(monkeypatch, tmp_path, f"cat >/dev/null; echo welcome; printf 'hi %s\\n' '{GOOD}'", target())
    assert (finding.state, finding.version) == ("ok", "v1.34.4+k3s1")


def test_an_offline_node_is_not_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (finding,) = ask(monkeypatch, tmp_path, f"touch {tmp_path}/asked", target(offline=True))
    assert finding.state == "offline"
    assert not (tmp_path / "asked").exists()


def test_a_node_that_hangs_ends_at_its_time_and_others_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = f"""case "$*" in *HostKeyAlias=slow*) exec sleep 60 ;; esac; cat >/dev/null; echo '{GOOD}'"""
    begin = time.monotonic()
    slow, good = ask(monkeypatch, tmp_path, script, target("slow"), target("good"), seconds=1)
    assert time.monotonic() - begin < 30
    assert slow.check("reachable").sentence.startswith("no answer within 1 seconds; ")
    assert good.state == "ok"


@pytest.mark.parametrize(
    ("said", "check", "words"),
    [
        ("ssh: connect to host 192.0.2.7 port 2222: Connection refused", "reachable", "nothing listens at that port"),
        ("ssh: connect to host 192.0.2.7 port 2222: No route to host", "reachable", "no answer (No route to host)"),
        ("ssh: Could not resolve hostname x: Name or service not known", "reachable", "cannot be looked up"),
        ("pi@192.0.2.7: Permission denied (publickey).", "reachable", "accepts none of our keys"),
        ("Received disconnect: Too many authentication failures", "reachable", "more keys than"),
        ("kex_exchange_identification: Connection closed by remote host", "reachable", "MaxStartups"),
    ],
)
def test_a_node_that_is_not_reached_has_the_sentence_that_up_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str, check: str, words: str
) -> None:
    (finding,) = ask(monkeypatch, tmp_path, f"echo '{said}' >&2; exit 255", target())
    assert finding.problem == check
    assert words in finding.check(check).sentence


def test_another_host_key_is_shown_as_such(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("components.nodes.unreachable.offered_host_key", lambda _: "")
    (finding,) = ask(monkeypatch, tmp_path, "echo 'Host key verification failed.' >&2; exit 255", target())
    assert finding.check("reachable").outcome is Outcome.OK
    assert "the configuration pins host key SHA256:" in finding.check("hostKey").sentence


def test_a_user_who_may_not_become_root_is_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = "echo 'sudo -n does not work here: a password is required' >&2; exit 1"
    (finding,) = ask(monkeypatch, tmp_path, script, target())
    assert "install sudo and allow that user" in finding.check("reachable").sentence


def test_the_stacks_key_reaches_an_agent_and_no_file() -> None:
    key = Ed25519PrivateKey.generate()
    form = serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    pem = key.private_bytes(*form).decode()
    with ssh.way(Asked(registry="r:1", targets=(target(),), private_key=pem)) as way:
        assert way.agent is not None
        command = way.command(target(), None)
        loaded = subprocess.run(
            ["ssh-add", "-L"], env={**os.environ, "SSH_AUTH_SOCK": str(way.agent)}, capture_output=True, check=True
        )
        kept = [path.name for path in way.known_hosts.parent.iterdir() if path.is_file()]
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    assert loaded.stdout.startswith(public)
    assert f"IdentityAgent={way.agent}" in command
    assert kept == ["known_hosts"]


def test_the_jump_host_has_its_own_pinned_key() -> None:
    jumping = target(proxy=Proxy(host="203.0.113.7", host_key=HOST_KEY_EXAMPLE, user="jump"))
    with ssh.way(Asked(registry="r:1", targets=(jumping,))) as way:
        command = way.command(jumping, None)
        known = way.known_hosts.read_text().splitlines()
    (jump,) = [word for word in command if word.startswith("ProxyCommand=")]
    assert "HostKeyAlias=ssh.proxy" in jump
    assert jump.endswith("-l jump -p 22 -W '[%h]:%p' -- 203.0.113.7")
    assert known == [f"cube01 {HOST_KEY_EXAMPLE}", f"ssh.proxy {HOST_KEY_EXAMPLE}"]


def test_nodes_with_the_same_trouble_share_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    findings = [Finding(node=f"cube{i}", checks={"name": BAD}) for i in range(7)]
    show.as_table("r:1", [*findings, Finding(node="off", offline=True), Finding(node="good")])
    printed = capsys.readouterr().out
    assert "cube0, cube1, cube2, cube3, cube4 and 2 more: name: found no name; it must resolve; add it" in printed
    assert printed.splitlines()[-1] == "r:1: 1 of 8 nodes are good, 1 offline"
    assert "\x1b" not in printed


def test_the_first_check_that_failed_is_the_problem() -> None:
    assert Finding(node="a", checks={"pull": BAD, "name": BAD}).problem == "name"


def test_json_has_every_check_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    show.as_json("r:1", [Finding(node="a", checks={"name": BAD})])
    (node,) = json.loads(capsys.readouterr().out)["nodes"]
    assert list(node["checks"]) == list(CHECKS)
    assert (node["state"], node["problem"], node["sentence"]) == ("failed", "name", BAD.sentence)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--host", "r"], "found --host without --nodes"),
        (["--host", "r", "--nodes", "a", "--stack", "s"], "found --host and --stack"),
        (["--user", "pi"], "found --user without --host"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert main(["doctor", *words]) == 2
    assert f"ops: {sentence}" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["https://r.example", "r.example:5000", "a b", "", "fd00::1", "[fd00::1]"])
def test_a_host_that_is_no_name_is_refused(capsys: pytest.CaptureFixture[str], host: str) -> None:
    with pytest.raises(SystemExit):
        main(["doctor", "--host", host, "--nodes", "a"])
    assert "a DNS name or an IPv4 address is needed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("jump_said", "words"),
    [
        ("channel 0: open failed: connect failed: No route to host", "opens no connection to the node"),
        (
            "@@@@\nHost key verification failed.",
            "the jump host does not answer (dial tcp x: Host key verification failed.)",
        ),
    ],
)
def test_what_the_jump_host_says_is_no_error_of_the_node(jump_said: str, words: str) -> None:
    jumping = target(proxy=Proxy(host="203.0.113.7", host_key=HOST_KEY_EXAMPLE, user="jump"))
    check, sentence = ssh.explain(jumping, 255, "Connection closed by remote host", jump_said)
    assert check == "reachable"
    assert words in sentence
