import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pulumi.provider.experimental.provider import PropertyDiffKind

from lab.plugins import values
from lab.plugins.command.output import quoted
from lab.plugins.command.provider import LOCAL, REMOTE, CommandProvider
from lab.plugins.server import PluginError
from lab.tests.plugins.calls import check, create, delete, diff, read, update
from lab.tests.plugins.command.ssh_servers import RecordedLog

CONNECTION = {"host": "10.77.0.11", "hostKey": "ssh-ed25519 AAAA"}


def run_local(inputs: Mapping[str, Any], log: RecordedLog | None = None) -> dict[str, Any]:
    return asyncio.run(create(CommandProvider(log or RecordedLog()), LOCAL, inputs)).state


def failure_of(inputs: Mapping[str, Any]) -> str:
    with pytest.raises(PluginError) as caught:
        run_local(inputs)
    return str(caught.value)


def provider() -> CommandProvider:
    return CommandProvider(RecordedLog())


def test_outputs_are_both_streams_less_one_newline() -> None:
    state = run_local({"create": "echo out; echo; echo err >&2"})
    assert (state["stdout"], state["stderr"]) == ("out\n", "err")


def test_an_identity_is_the_name_and_eight_hex_digits() -> None:
    identity = asyncio.run(create(provider(), LOCAL, {})).id
    assert identity.startswith("thing")
    assert len(bytes.fromhex(identity.removeprefix("thing"))) == 4


def test_a_failed_command_shows_itself_and_its_output_but_not_its_input() -> None:
    text = failure_of({"create": "echo out; sleep 0.1; echo err >&2; exit 3", "stdin": "hidden"})
    assert text == 'exit status 3: running "echo out; sleep 0.1; echo err >&2; exit 3":\nout\nerr\n'


def test_a_command_killed_by_a_signal_says_so() -> None:
    assert failure_of({"create": "kill -9 $$"}) == 'signal: killed: running "kill -9 $$":\n'


def test_a_missing_interpreter_is_named() -> None:
    text = failure_of({"create": "x", "interpreter": ["/no/such/shell", "-c"]})
    assert text.startswith("fork/exec /no/such/shell: no such file or directory")


def test_a_missing_folder_is_named() -> None:
    assert failure_of({"create": "true", "dir": "/no/such/folder"}).startswith("chdir /no/such/folder: no such file")


def test_interpreter_folder_environment_and_input_are_used(tmp_path: Path) -> None:
    state = run_local(
        {
            "create": "pwd; echo $A; cat",
            "dir": str(tmp_path),
            "environment": {"A": "from environment"},
            "stdin": "from input",
            "interpreter": ["/bin/sh", "-e", "-c"],
        }
    )
    assert state["stdout"] == f"{tmp_path}\nfrom environment\nfrom input"


def test_a_command_need_not_read_its_input() -> None:
    assert run_local({"create": "exec <&-; echo done", "stdin": "x" * 1_000_000})["stdout"] == "done"


@pytest.mark.parametrize(
    ("mode", "logged"),
    [
        (None, {"out", "err"}),
        ("stdoutAndStderr", {"out", "err"}),
        ("stdout", {"out"}),
        ("stderr", {"err"}),
        ("none", set()),
    ],
)
def test_logging_shows_the_streams_it_names(mode: str | None, logged: set[str]) -> None:
    log = RecordedLog()
    state = run_local({"create": "echo out; echo err >&2", "logging": mode}, log)
    assert set(log.lines) == logged
    assert (state["stdout"], state["stderr"]) == ("out", "err")


def test_a_line_without_newline_is_logged_too() -> None:
    log = RecordedLog()
    run_local({"create": "printf 'one\\ntwo'"}, log)
    assert log.lines == ["one", "two"]


@pytest.mark.parametrize(
    ("change", "ran"),
    [
        ({"update": "echo update"}, "update"),
        ({"create": "echo changed"}, "changed"),
        ({"create": "echo changed", "update": "echo update"}, "update"),
        ({"stdin": "other"}, "create"),
    ],
)
def test_an_update_runs_update_or_else_create(change: dict[str, str], ran: str) -> None:
    inputs = {"create": "echo create"}
    assert asyncio.run(update(provider(), LOCAL, run_local(inputs), {**inputs, **change})).state["stdout"] == ran


def test_an_update_with_nothing_to_run_keeps_the_outputs() -> None:
    state = run_local({"create": "echo create"})
    assert asyncio.run(update(provider(), LOCAL, state, {"stdin": "x"})).state["stdout"] == "create"


def test_nothing_runs_without_create() -> None:
    state = run_local({"delete": "exit 1"})
    assert (state["stdout"], state["stderr"]) == ("", "")


def test_delete_runs_with_the_input_of_the_state(tmp_path: Path) -> None:
    state = run_local({"delete": f"cat > {tmp_path}/deleted", "stdin": "kept"})
    asyncio.run(delete(provider(), LOCAL, state))
    assert (tmp_path / "deleted").read_text() == "kept"


def test_nothing_runs_when_there_is_no_delete(tmp_path: Path) -> None:
    state = run_local({"create": f"echo run >> {tmp_path}/runs"})
    asyncio.run(delete(provider(), LOCAL, state))
    assert (tmp_path / "runs").read_text() == "run\n"


@pytest.mark.parametrize(("wanted", "seen"), [(None, "before"), (True, "before"), (False, "")])
def test_an_update_sees_the_last_output_unless_told_otherwise(wanted: bool | None, seen: str) -> None:  # noqa: FBT001
    inputs = {"create": "echo before", "update": "echo $PULUMI_COMMAND_STDOUT", "addPreviousOutputInEnv": wanted}
    assert asyncio.run(update(provider(), LOCAL, run_local(inputs), inputs)).state["stdout"] == seen


def test_a_preview_runs_nothing_and_knows_no_output(tmp_path: Path) -> None:
    inputs = {"create": f"touch {tmp_path}/ran"}
    made = asyncio.run(create(provider(), LOCAL, inputs, preview=True)).state
    changed = asyncio.run(update(provider(), LOCAL, {**inputs, "stdout": "", "stderr": ""}, inputs, preview=True)).state
    assert not (tmp_path / "ran").exists()
    assert values.unknown_paths(made) == values.unknown_paths(changed) == {("stdout",), ("stderr",)}


def test_a_refresh_changes_nothing() -> None:
    state = run_local({"create": "date +%s%N"})
    assert asyncio.run(read(provider(), LOCAL, state)).state == state


def test_defaults_of_a_connection_are_filled_in_and_all_of_it_is_secret() -> None:
    answer, failures = asyncio.run(check(provider(), REMOTE, {"connection": {**CONNECTION, "proxy": {"host": "p"}}}))
    assert not failures
    defaults = {"user": "root", "port": 22, "dialErrorLimit": 10, "perDialTimeout": 15}
    assert answer.state["connection"] == {**defaults, **CONNECTION, "proxy": {**defaults, "host": "p"}}
    assert answer.secret == {("connection",)}


def test_a_secret_input_is_a_secret_output_and_the_streams_are_public() -> None:
    inputs = {"create": "cat", "stdin": "word", "environment": {"A": "b"}}
    answer = asyncio.run(create(provider(), LOCAL, inputs, [("stdin",), ("environment", "A")]))
    assert answer.secret - {("connection",)} == {("stdin",), ("environment", "A")}


@pytest.mark.parametrize(
    ("old", "new", "paths"),
    [
        ({"stdin": "a"}, {"stdin": "b"}, {"stdin": PropertyDiffKind.UPDATE}),
        ({}, {"stdin": "b"}, {"stdin": PropertyDiffKind.ADD}),
        ({"delete": "x"}, {}, {"delete": PropertyDiffKind.DELETE}),
        ({"environment": {"A": "1"}}, {"environment": {"A": "2"}}, {"environment.A": PropertyDiffKind.UPDATE}),
        ({"triggers": ["1"]}, {"triggers": ["2"]}, {"triggers[0]": PropertyDiffKind.UPDATE_REPLACE}),
        ({"triggers": ["1"]}, {"triggers": ["1", "2"]}, {"triggers[1]": PropertyDiffKind.ADD_REPLACE}),
        ({"stdin": "a"}, {"stdin": "a"}, {}),
    ],
)
def test_inputs_update_in_place_and_triggers_replace(
    old: dict[str, Any], new: dict[str, Any], paths: dict[str, PropertyDiffKind]
) -> None:
    answer = asyncio.run(diff(provider(), LOCAL, {**old, "addPreviousOutputInEnv": True, "stdout": ""}, new))
    assert {path: change.kind for path, change in answer.detailed_diff.items()} == paths
    assert answer.changes == bool(paths)
    assert answer.replaces == [path for path in paths if path.startswith("triggers")]
    assert not answer.delete_before_replace


def test_a_changed_host_is_an_update() -> None:
    state = asyncio.run(create(provider(), REMOTE, {"connection": CONNECTION})).state
    answer = asyncio.run(diff(provider(), REMOTE, state, {"connection": {**CONNECTION, "host": "10.77.0.12"}}))
    assert (list(answer.detailed_diff), answer.replaces) == (["connection.host"], [])


@pytest.mark.parametrize(
    ("inputs", "named"),
    [
        ({"connection": {"user": "root"}}, "connection.host"),
        ({}, "connection.host"),
        ({"connection": {**CONNECTION, "hostkey": "x"}}, "connection.hostkey"),
        ({"connection": {**CONNECTION, "proxy": {}}}, "connection.proxy.host"),
        ({"connection": CONNECTION, "logging": "all"}, "logging"),
        ({"connection": CONNECTION, "dir": "/"}, "dir"),
    ],
)
def test_an_input_that_is_wrong_is_named(inputs: dict[str, Any], named: str) -> None:
    assert list(asyncio.run(check(provider(), REMOTE, inputs))[1]) == [named]


def test_a_refusal_never_shows_what_a_connection_holds() -> None:
    connection = {**CONNECTION, "privateKey": "very private", "privatekey": "very private"}
    _, failures = asyncio.run(check(provider(), REMOTE, {"connection": connection}))
    assert "very private" not in str(failures)


def test_an_unknown_connection_is_no_failure() -> None:
    assert asyncio.run(check(provider(), REMOTE, {"connection": values.UNKNOWN}))[1] == {}


@pytest.mark.parametrize("kind", ["command:remote:CopyToRemote", "command:remote:CopyFile"])
def test_a_resource_that_is_not_covered_says_so(kind: str) -> None:
    with pytest.raises(PluginError, match=f"{kind} is not covered by the stand-in"):
        asyncio.run(check(provider(), kind, {}))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain", '"plain"'),
        ('a "b" \\c', '"a \\"b\\" \\\\c"'),
        ("tab\tline\nbell\a", '"tab\\tline\\nbell\\a"'),
        ("\x01é\u200b", '"\\x01é\\u200b"'),
    ],
)
def test_a_command_is_quoted_as_go_quotes(text: str, written: str) -> None:
    assert quoted(text) == written
