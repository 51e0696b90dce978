import asyncio
import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from lab.plugins.command.provider import REMOTE, CommandProvider
from lab.plugins.server import PluginError
from tests.unit.plugin_calls import create, delete, update
from tests.unit.ssh_servers import InProcessServer, RecordedLog, new_key, private_text, public_line


@pytest.fixture(autouse=True)
def no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


def run_on(server: InProcessServer, inputs: Mapping[str, Any], **connection: Any) -> dict[str, Any]:
    """Create a command on `server`, which runs for as long."""

    async def body() -> dict[str, Any]:
        async with server.running():
            fields = {"connection": server.connection(**connection), **inputs}
            state = (await create(CommandProvider(RecordedLog()), REMOTE, fields)).state
            await _until(lambda: server.now_open == 0)
            return state

    return asyncio.run(body())


def failure_on(server: InProcessServer, inputs: Mapping[str, Any], **connection: Any) -> str:
    with pytest.raises(PluginError) as caught:
        run_on(server, inputs, **connection)
    return str(caught.value)


async def _until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # what is waited for belongs to asyncssh and to other processes
            await asyncio.sleep(0.01)


def test_a_command_runs_with_its_input_and_gives_both_streams() -> None:
    state = run_on(InProcessServer(), {"create": "cat; echo err >&2", "stdin": "in\n"})
    assert (state["stdout"], state["stderr"]) == ("in", "err")


def test_a_large_input_and_a_large_output_arrive_whole() -> None:
    text = "x" * 3_000_000
    assert run_on(InProcessServer(), {"create": "cat", "stdin": text, "logging": "none"})["stdout"] == text


def test_a_command_without_input_sees_its_end() -> None:
    assert run_on(InProcessServer(), {"create": "cat; echo end"})["stdout"] == "end"


def test_a_command_need_not_read_its_input() -> None:
    assert run_on(InProcessServer(), {"create": "echo done", "stdin": "x" * 5_000_000})["stdout"] == "done"


def test_each_operation_has_one_connection_of_its_own() -> None:
    server = InProcessServer()
    run_on(server, {"create": "true"})
    assert (server.opened, server.now_open) == (1, 0)


def test_the_user_is_root_unless_said_otherwise() -> None:
    server = InProcessServer()
    run_on(server, {"create": "true"})
    run_on(server, {"create": "true"}, user="pi")
    assert server.users == ["root", "pi"]


def test_a_failed_command_shows_itself_and_its_output_but_not_its_input() -> None:
    command = 'cat >/dev/null; echo "out"; sleep 0.1; echo err >&2; exit 3'
    text = failure_on(InProcessServer(), {"create": command, "stdin": "hidden"})
    assert text == (
        'Process exited with status 3: running "cat >/dev/null; echo \\"out\\"; sleep 0.1; echo err >&2; exit 3":\n'
        "out\nerr\n"
    )


def test_a_failed_command_closes_its_connection() -> None:
    server = InProcessServer()

    async def body() -> None:
        async with server.running():
            with pytest.raises(PluginError):
                await create(
                    CommandProvider(RecordedLog()), REMOTE, {"connection": server.connection(), "create": "exit 1"}
                )
            await _until(lambda: server.now_open == 0)

    asyncio.run(body())
    assert server.opened == 1


def test_environment_reaches_the_command() -> None:
    state = run_on(InProcessServer(), {"create": "echo $A-$B", "environment": {"A": "1", "B": "2"}})
    assert state["stdout"] == "1-2"


def test_an_update_and_a_delete_use_the_right_connection_input_and_previous_output(tmp_path: Path) -> None:
    first, second = InProcessServer(), InProcessServer()
    inputs = {
        "create": "echo first",
        "update": "echo $PULUMI_COMMAND_STDOUT then second",
        "delete": f"cat > {tmp_path}/deleted",
        "stdin": "kept",
    }

    async def body() -> str:
        provider = CommandProvider(RecordedLog())
        async with first.running(), second.running():
            state = (await create(provider, REMOTE, {**inputs, "connection": first.connection()})).state
            moved = await update(provider, REMOTE, state, {**inputs, "connection": second.connection()})
            await delete(provider, REMOTE, moved.state)
        output: str = moved.state["stdout"]
        return output

    assert asyncio.run(body()) == "first then second"
    assert (first.opened, second.opened) == (1, 2)
    assert (tmp_path / "deleted").read_text() == "kept"


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


def test_an_unpinned_host_key_is_not_verified() -> None:
    assert run_on(InProcessServer(), {"create": "echo in"}, hostKey=None)["stdout"] == "in"


@pytest.mark.parametrize("algorithm", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384"])
def test_a_pinned_host_key_is_accepted(algorithm: str) -> None:
    server = InProcessServer(host_key=new_key(algorithm))
    assert run_on(server, {"create": "echo in"})["stdout"] == "in"


def test_another_host_key_is_refused_as_often_as_dials_may_fail() -> None:
    server = InProcessServer()
    text = failure_on(server, {"create": "true"}, hostKey=public_line(new_key()), dialErrorLimit=2)
    assert text == "after 2 failed attempts: ssh: handshake failed: ssh: host key mismatch"
    assert server.opened == 3


def test_a_pinned_rsa_key_asks_for_signatures_that_are_refused_today() -> None:
    server = InProcessServer()
    text = failure_on(server, {"create": "true"}, hostKey=public_line(new_key("ssh-rsa")))
    assert 'ssh: no common algorithm for host key; we offered: ["ssh-rsa"], peer offered: ["ssh-ed25519"]' in text


@pytest.mark.parametrize(
    "wrap",
    ["{key}", "# comment\n\n{key} a comment", "registry.cube.local,10.77.0.11 {key}", "{key}\nssh-ed25519 AAAA second"],
)
def test_a_host_key_is_read_as_an_authorized_keys_file(wrap: str) -> None:
    server = InProcessServer()
    pinned = wrap.format(key=public_line(server.host_key))
    assert run_on(server, {"create": "echo in"}, hostKey=pinned)["stdout"] == "in"


@pytest.mark.parametrize("text", ["", "nonsense", "ssh-ed25519", "ssh-ed25519 !!!!", "ssh-ed25519 AAAAB3NzaC1yc2EAAAA"])
def test_a_host_key_that_is_none_fails_at_once(text: str) -> None:
    server = InProcessServer()
    assert failure_on(server, {"create": "true"}, hostKey=text) == "failed to parse host key: ssh: no key found"
    assert server.opened == 0


@pytest.fixture
def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def test_a_closed_port_is_refused_with_its_address(free_port: int) -> None:
    text = failure_on(InProcessServer(), {"create": "true"}, port=free_port)
    assert text == f"after 0 failed attempts: dial tcp 127.0.0.1:{free_port}: connect: connection refused"


def test_a_name_that_cannot_be_looked_up_is_named() -> None:
    text = failure_on(InProcessServer(), {"create": "true"}, host="no..such")
    assert text == "after 0 failed attempts: dial tcp: lookup no..such: no such host"


def test_attempts_pause_a_tenth_of_a_second_and_half_as_much_again(free_port: int) -> None:
    start = time.monotonic()
    text = failure_on(InProcessServer(), {"create": "true"}, port=free_port, dialErrorLimit=3)
    assert text.startswith("after 3 failed attempts")
    assert 0.475 <= time.monotonic() - start < 2


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that drops new connections, as a dead address does: nobody accepts, and the queue is full."""
    with socket.socket() as listening, contextlib.ExitStack() as waiting:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            one = waiting.enter_context(socket.socket())
            one.settimeout(0)
            with contextlib.suppress(BlockingIOError):
                one.connect(listening.getsockname())
        time.sleep(0.1)
        yield listening.getsockname()[1]


def test_a_silent_address_times_out_after_the_time_per_dial(silent_port: int) -> None:
    start = time.monotonic()
    text = failure_on(InProcessServer(), {"create": "true"}, port=silent_port, perDialTimeout=1, dialErrorLimit=1)
    assert text == f"after 1 failed attempts: dial tcp 127.0.0.1:{silent_port}: i/o timeout"
    assert 2 <= time.monotonic() - start < 5


def test_a_server_that_comes_up_late_is_found() -> None:
    server = InProcessServer()

    async def body() -> str:
        async with server.running():
            pass
        provider = CommandProvider(RecordedLog())
        inputs = {"connection": server.connection(dialErrorLimit=-1), "create": "echo found"}
        running = asyncio.create_task(create(provider, REMOTE, inputs))
        await asyncio.sleep(0.5)
        async with server.running():
            output: str = (await running).state["stdout"]
            return output

    assert asyncio.run(body()) == "found"


def test_cancelling_ends_the_wait_between_dials(free_port: int) -> None:
    async def body() -> None:
        provider = CommandProvider(RecordedLog())
        connection = InProcessServer().connection(port=free_port, dialErrorLimit=-1)
        running = asyncio.create_task(create(provider, REMOTE, {"connection": connection, "create": "true"}))
        await asyncio.sleep(0.2)
        await provider.cancel()
        with pytest.raises(PluginError, match="cancelled"):
            await asyncio.wait_for(running, 2)

    asyncio.run(body())


def test_a_proxy_is_passed_and_both_connections_end() -> None:
    target, proxy = InProcessServer(), InProcessServer()

    async def body() -> str:
        async with target.running(), proxy.running():
            connection = target.connection(proxy=proxy.connection())
            made = await create(CommandProvider(RecordedLog()), REMOTE, {"connection": connection, "create": "echo in"})
            await _until(lambda: target.now_open == proxy.now_open == 0)
            output: str = made.state["stdout"]
            return output

    assert asyncio.run(body()) == "in"
    assert proxy.forwarded == [("127.0.0.1", target.port)]


def test_a_proxy_with_another_host_key_is_refused() -> None:
    target, proxy = InProcessServer(), InProcessServer()

    async def body() -> None:
        async with target.running(), proxy.running():
            connection = target.connection(proxy=proxy.connection(hostKey=public_line(new_key())))
            await create(CommandProvider(RecordedLog()), REMOTE, {"connection": connection, "create": "true"})

    with pytest.raises(PluginError, match="host key mismatch"):
        asyncio.run(body())
    assert target.opened == 0


@contextlib.asynccontextmanager
async def agent_with(key: asyncssh.SSHKey | None, folder: Path) -> AsyncIterator[str]:
    """A real ssh-agent that holds `key`; its socket."""
    path = str(folder / "agent.sock")
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)  # noqa: ASYNC220  # short
    try:
        await _until(Path(path).exists)
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
