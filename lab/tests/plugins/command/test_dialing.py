import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator

import pytest

from lab.plugins.command.connection import Connection
from lab.plugins.command.provider import REMOTE, CommandProvider
from lab.plugins.server import PluginError
from lab.tests.plugins.calls import create
from lab.tests.plugins.command.remote_commands import failure_on, run_on, until
from lab.tests.plugins.command.ssh_servers import InProcessServer, RecordedLog, new_key, public_line
from lab.tests.ports import closed_port


@pytest.fixture(autouse=True)
def no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


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
def refusing_port() -> Iterator[int]:
    with closed_port() as port:
        yield port


def test_a_closed_port_is_refused_with_its_address(refusing_port: int) -> None:
    text = failure_on(InProcessServer(), {"create": "true"}, port=refusing_port)
    assert text == f"after 0 failed attempts: dial tcp 127.0.0.1:{refusing_port}: connect: connection refused"


def test_a_name_that_cannot_be_looked_up_is_named() -> None:
    text = failure_on(InProcessServer(), {"create": "true"}, host="no..such")
    assert text == "after 0 failed attempts: dial tcp: lookup no..such: no such host"


def test_attempts_pause_a_tenth_of_a_second_and_half_as_much_again(refusing_port: int) -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async def body() -> None:
        fields = InProcessServer().connection(port=refusing_port, dialErrorLimit=3)
        async with contextlib.AsyncExitStack() as stack:
            await Connection.read(fields).open(stack, pause)

    with pytest.raises(PluginError, match="after 3 failed attempts"):
        asyncio.run(body())
    assert pauses == pytest.approx([0.1, 0.15, 0.225])


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that drops new connections, as an unused address does: its queue is full and never emptied."""
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
    # The kernel's own time limit would be two minutes.
    assert 2 <= time.monotonic() - start < 60


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


def test_cancelling_ends_the_wait_between_dials(refusing_port: int) -> None:
    async def body() -> None:
        provider = CommandProvider(RecordedLog())
        connection = InProcessServer().connection(port=refusing_port, dialErrorLimit=-1)
        running = asyncio.create_task(create(provider, REMOTE, {"connection": connection, "create": "true"}))
        await asyncio.sleep(0.2)
        await provider.cancel()
        with pytest.raises(PluginError, match="cancelled"):
            await asyncio.wait_for(running, 30)

    asyncio.run(body())


def test_a_proxy_is_passed_and_both_connections_end() -> None:
    target, proxy = InProcessServer(), InProcessServer()

    async def body() -> str:
        async with target.running(), proxy.running():
            connection = target.connection(proxy=proxy.connection())
            made = await create(CommandProvider(RecordedLog()), REMOTE, {"connection": connection, "create": "echo in"})
            await until(lambda: target.now_open == proxy.now_open == 0)
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
