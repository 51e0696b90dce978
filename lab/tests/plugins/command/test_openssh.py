import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from lab.plugins.command.provider import REMOTE, CommandProvider
from lab.plugins.server import PluginError
from lab.tests.plugins.calls import create, update
from lab.tests.plugins.command.ssh_servers import (
    OpenSshServer,
    RecordedLog,
    new_key,
    openssh_server,
    private_text,
    public_line,
    sshd_command,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSshServer]:
    folder = tmp_path_factory.mktemp("sshd")
    if sshd_command(folder) is None:
        pytest.skip("no sshd: openssh-server is not installed, and the machines' tree not made or not to be entered")
    with openssh_server(folder) as running:
        yield running


@pytest.fixture(autouse=True)
def no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


def run_on(server: OpenSshServer, inputs: Mapping[str, Any], **connection: Any) -> dict[str, Any]:
    fields = {"connection": server.connection(**connection), **inputs}
    return asyncio.run(create(CommandProvider(RecordedLog()), REMOTE, fields)).state


def failure_on(server: OpenSshServer, inputs: Mapping[str, Any], **connection: Any) -> str:
    with pytest.raises(PluginError) as caught:
        run_on(server, inputs, **connection)
    return str(caught.value)


def test_a_script_on_standard_input_runs(server: OpenSshServer) -> None:
    state = run_on(server, {"create": "sh -s -- apply", "stdin": 'echo "got $1"; echo note >&2\n'})
    assert (state["stdout"], state["stderr"]) == ("got apply", "note")


def test_an_exit_status_is_told_with_both_streams(server: OpenSshServer) -> None:
    text = failure_on(server, {"create": "sh -s -- apply", "stdin": "echo out\necho err >&2\nexit 3\n"})
    first, *rest = text.splitlines()
    assert first == 'Process exited with status 3: running "sh -s -- apply":'
    assert sorted(rest) == ["err", "out"]


def test_a_shell_killed_by_a_signal_is_told_by_its_name(server: OpenSshServer) -> None:
    text = failure_on(server, {"create": "kill -9 $$"})
    assert text == 'Process exited with status 137 from signal KILL: running "kill -9 $$":\n'


def test_a_variable_that_sshd_accepts_arrives(server: OpenSshServer) -> None:
    state = run_on(server, {"create": "echo $TEST_ACCEPTED", "environment": {"TEST_ACCEPTED": "yes"}})
    assert state["stdout"] == "yes"


def test_a_variable_that_sshd_refuses_is_an_error_and_nothing_runs(server: OpenSshServer) -> None:
    text = failure_on(server, {"create": "exit 9", "environment": {"A": "1"}})
    assert text == 'could not set environment variable "A": ssh: setenv failed'


@pytest.mark.parametrize(("wanted", "warned"), [(True, 1), (False, 0)])
def test_a_refused_previous_output_is_only_a_warning(server: OpenSshServer, *, wanted: bool, warned: int) -> None:
    log = RecordedLog()
    inputs = {"connection": server.connection(), "create": "echo again", "addPreviousOutputInEnv": wanted}
    state = {**inputs, "stdout": "before", "stderr": ""}
    done = asyncio.run(update(CommandProvider(log), REMOTE, state, inputs))
    assert done.state["stdout"] == "again"
    assert len(log.warnings) == warned


def test_the_wrong_client_key_is_refused(server: OpenSshServer) -> None:
    text = failure_on(server, {"create": "true"}, privateKey=private_text(new_key()))
    assert text == (
        "after 0 failed attempts: ssh: handshake failed: ssh: unable to authenticate, "
        "attempted methods [none publickey], no supported methods remain"
    )


def test_a_password_is_not_tried_where_sshd_does_not_offer_it(server: OpenSshServer) -> None:
    text = failure_on(server, {"create": "true"}, privateKey=None, password="x")
    assert "attempted methods [none], no supported methods remain" in text


def test_the_wrong_host_key_is_refused(server: OpenSshServer) -> None:
    text = failure_on(server, {"create": "true"}, hostKey=public_line(new_key()))
    assert text == "after 0 failed attempts: ssh: handshake failed: ssh: host key mismatch"


def test_the_right_rsa_host_key_is_refused_for_its_signatures(server: OpenSshServer) -> None:
    text = failure_on(server, {"create": "true"}, hostKey=public_line(server.host_keys["ssh-rsa"]))
    assert 'ssh: no common algorithm for host key; we offered: ["ssh-rsa"], peer offered: [' in text
    assert '"rsa-sha2-512"' in text
