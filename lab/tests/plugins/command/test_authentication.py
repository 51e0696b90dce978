import asyncio
import contextlib
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from lab.plugins.command.provider import REMOTE, CommandProvider
from lab.plugins.server import PluginError
from lab.tests.plugins.calls import create
from lab.tests.plugins.command.remote_commands import failure_on, run_on, until
from lab.tests.plugins.command.ssh_servers import InProcessServer, RecordedLog, new_key, private_text


@pytest.fixture(autouse=True)
def no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


def test_a_password_opens_too() -> None:
    server = InProcessServer()
    assert run_on(server, {"create": "echo in"}, password=server.password)["stdout"] == "in"


def test_an_encrypted_key_opens_with_its_password() -> None:
    server = InProcessServer()
    key = private_text(server.client_key, "word")
    assert run_on(server, {"create": "echo in"}, privateKey=key, privateKeyPassword="word")["stdout"] == "in"


@pytest.mark.parametrize(
    ("password", "words"),
    [(None, "ssh: this private key is passphrase protected"), ("wrong", "x509: decryption password incorrect")],
)
def test_an_encrypted_key_without_its_password_fails_at_once(password: str | None, words: str) -> None:
    server = InProcessServer()
    key = private_text(server.client_key, "word")
    assert failure_on(server, {"create": "true"}, privateKey=key, privateKeyPassword=password) == words
    assert server.opened == 0


def test_a_key_that_is_none_fails_at_once_and_is_not_shown() -> None:
    server = InProcessServer()
    assert failure_on(server, {"create": "true"}, privateKey="secret nonsense") == "ssh: no key found"
    assert server.opened == 0


def test_a_refused_key_names_the_methods_that_were_tried() -> None:
    text = failure_on(InProcessServer(), {"create": "true"}, privateKey=private_text(new_key()))
    assert text == (
        "after 0 failed attempts: ssh: handshake failed: ssh: unable to authenticate, "
        "attempted methods [none publickey], no supported methods remain"
    )


def test_a_refused_password_names_the_methods_that_were_tried() -> None:
    text = failure_on(InProcessServer(), {"create": "true"}, password="wrong")
    assert "attempted methods [none password" in text


@contextlib.asynccontextmanager
async def agent_with(key: asyncssh.SSHKey | None, folder: Path) -> AsyncIterator[str]:
    """Run a real ssh-agent that holds `key`; yields its socket."""
    path = str(folder / "agent.sock")
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)  # noqa: ASYNC220  # short
    try:
        await until(Path(path).exists)
        agent = await asyncssh.connect_agent(path)
        await agent.add_keys([key] if key else [])
        agent.close()
        await agent.wait_closed()
        yield path
    finally:
        process.terminate()
        process.wait()


needs_agent = pytest.mark.skipif(not shutil.which("ssh-agent"), reason="openssh-client is not installed")


def run_with_agent(key: asyncssh.SSHKey | None, server: InProcessServer, folder: Path, **connection: Any) -> str:
    async def body() -> str:
        async with agent_with(key, folder) as path, server.running():
            fields = server.connection(agentSocketPath=path, **connection)
            made = await create(CommandProvider(RecordedLog()), REMOTE, {"connection": fields, "create": "echo in"})
            output: str = made.state["stdout"]
            return output

    return asyncio.run(body())


@needs_agent
@pytest.mark.parametrize("algorithm", ["ssh-ed25519", "ssh-rsa"])
def test_the_agents_key_opens(tmp_path: Path, algorithm: str) -> None:
    server = InProcessServer(client_key=new_key(algorithm))
    assert run_with_agent(server.client_key, server, tmp_path) == "in"


@needs_agent
def test_an_agent_named_by_the_environment_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = InProcessServer()
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent.sock"))

    async def body() -> str:
        async with agent_with(server.client_key, tmp_path), server.running():
            connection = {**server.connection(), "privateKey": None}
            made = await create(CommandProvider(RecordedLog()), REMOTE, {"connection": connection, "create": "echo in"})
            output: str = made.state["stdout"]
            return output

    assert asyncio.run(body()) == "in"


@needs_agent
def test_the_agents_key_is_not_tried_beside_a_private_key(tmp_path: Path) -> None:
    server = InProcessServer()
    with pytest.raises(PluginError, match=r"attempted methods \[none publickey\]"):
        run_with_agent(server.client_key, server, tmp_path, privateKey=private_text(new_key()))


@needs_agent
def test_an_empty_agent_is_a_refused_key(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"attempted methods \[none publickey\]"):
        run_with_agent(None, InProcessServer(), tmp_path)


def test_a_stale_agent_socket_fails_at_once_even_beside_a_good_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = InProcessServer()
    path = tmp_path / "agent.sock"
    monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    assert failure_on(server, {"create": "true"}) == f"dial unix {path}: connect: connection refused"
    path.unlink()
    assert failure_on(server, {"create": "true"}) == f"dial unix {path}: connect: no such file or directory"
    assert server.opened == 0
