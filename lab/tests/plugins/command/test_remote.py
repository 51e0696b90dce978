import asyncio
from pathlib import Path

import pytest

from lab.plugins.command.provider import REMOTE, CommandProvider
from lab.plugins.server import PluginError
from lab.tests.plugins.calls import create, delete, update
from lab.tests.plugins.command.remote_commands import failure_on, run_on, until
from lab.tests.plugins.command.ssh_servers import InProcessServer, RecordedLog


@pytest.fixture(autouse=True)
def no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


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
            await until(lambda: server.now_open == 0)

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
