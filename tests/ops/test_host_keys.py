import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from components.config.nodes import Proxy
from ops import host_keys
from ops.failure import OpsError
from ops.host_keys import Known, Server, known, scan

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK9vzGeAGyDClVeJUe+UJ7C8zs5ip6h6jVzyj9/dcx4R"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK8LCeTFlpJR+OI3iKQc5OqdPg5dtGungnsBcjavfZp0"
SERVER = Server(host="192.168.0.11", port=2222)
JUMP = Proxy(host="203.0.113.7", host_key=KEY, user="jump", port=2200)


def answering(monkeypatch: pytest.MonkeyPatch, stdout: str, status: int = 0) -> list[Sequence[str]]:
    """Let every program print this; returns the commands that were called."""
    called: list[Sequence[str]] = []

    def run(command: Sequence[str], **_: object) -> subprocess.CompletedProcess[str]:
        called.append(command)
        return subprocess.CompletedProcess(command, status, stdout, "administratively prohibited\n")

    monkeypatch.setattr(subprocess, "run", run)
    return called


def test_the_preferred_key_of_each_server_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "# comment\n[192.168.0.11]:2222 ssh-rsa A\n[192.168.0.11]:2222 ecdsa-sha2-nistp256 B\n"
    answering(monkeypatch, f"{lines}[192.168.0.11]:2222 {KEY}\nelsewhere ssh-rsa C\n")
    assert scan([SERVER], None) == {SERVER: [KEY, "ecdsa-sha2-nistp256 B", "ssh-rsa A"]}


def test_a_jump_host_scans_in_the_users_place(monkeypatch: pytest.MonkeyPatch) -> None:
    called = answering(monkeypatch, "")
    assert scan([SERVER], JUMP) == {SERVER: []}
    assert [command[:4] for command in called] == [["ssh", "-p", "2200", "jump@203.0.113.7"]]
    assert called[0][4].startswith("ssh-keyscan ")


def test_a_jump_host_that_refuses_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, "", status=255)
    with pytest.raises(OpsError, match="could not scan the nodes' host keys: administratively prohibited; "):
        scan([SERVER], JUMP)


def test_an_ssh_configuration_that_openssh_refuses_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise no known_hosts would be read, and a server with another key would be an unknown one."""
    answering(monkeypatch, "", status=255)
    with pytest.raises(OpsError, match="your ssh configuration cannot be read: administratively prohibited; "):
        known(SERVER, "cube01", KEY)


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        (f"[192.168.0.11]:2222 {KEY}", Known.SAME),
        (f"cube01 {KEY}", Known.SAME),
        (f"[192.168.0.11]:2222 {OTHER}", Known.OTHER),
        ("[192.168.0.11]:2222 ecdsa-sha2-nistp256 AAAA", Known.UNKNOWN),
        (f"192.168.0.11 {OTHER}", Known.UNKNOWN),
    ],
    ids=["address", "name", "another key", "another kind", "another port"],
)
@pytest.mark.parametrize("hashed", [False, True], ids=["plain", "hashed"])
def test_known_hosts_are_compared(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str, verdict: Known, *, hashed: bool
) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"{line}\n")
    if hashed:
        subprocess.run(["ssh-keygen", "-H", "-f", file], capture_output=True, check=True)
    monkeypatch.setattr(host_keys, "ssh_settings", lambda *_: [str(file), str(tmp_path / "missing")])
    assert known(SERVER, "cube01", KEY) is verdict


def test_a_jump_host_of_the_ssh_configuration_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, "hostname 192.168.0.11\nproxyjump bastion\n")
    assert "(bastion), which the program does not read: set ssh.proxy" in host_keys.silence(SERVER, None)
