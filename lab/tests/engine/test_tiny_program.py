import json
from pathlib import Path

import pytest
from cryptography import x509

from lab.plugins.tls import clock
from lab.tests.engine.conftest import STACK, Snapshots, Stack
from lab.tests.plugins.command.ssh_servers import private_text

pytestmark = pytest.mark.engine

RESOURCES = 8


def test_a_preview_plans_all_and_touches_no_machine(stack: Stack) -> None:
    connections = stack.server.opened
    done = stack.pulumi("preview")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"+ {RESOURCES} to create" in done.stdout
    assert stack.server.opened == connections


def test_up_makes_certificates_and_runs_commands(running: Stack) -> None:
    certificate = x509.load_pem_x509_certificate(running.output("certificate").encode())
    assert certificate.issuer.rfc4514_string() == "CN=tiny"
    assert running.output("remote") == "stdin"
    assert running.output("local") == "a line of the local command"


def test_a_command_may_take_its_time(stack: Stack) -> None:
    stack.set(create="sleep 4; cat")
    assert stack.up().returncode == 0
    assert stack.output("remote") == "stdin"


def test_a_second_up_changes_nothing_and_connects_nowhere(running: Stack) -> None:
    connections = running.server.opened
    done = running.up()
    assert f"{RESOURCES} unchanged" in done.stdout
    assert running.server.opened == connections


def test_no_secret_is_on_disk_in_clear(running: Stack) -> None:
    running.up()
    key = private_text(running.server.client_key).splitlines()[2]
    for file in [*running.engine.backend.rglob("*"), *running.project.rglob("*.yaml")]:
        if file.is_file():
            text = file.read_text()
            assert "PRIVATE KEY" not in text, file
            assert key not in text, file


def test_state_holds_the_connection_as_one_secret(running: Stack) -> None:
    exported = json.loads(running.pulumi("stack", "export").stdout)
    remote = next(item for item in exported["deployment"]["resources"] if item["type"] == "command:remote:Command")
    assert set(remote["outputs"]["connection"]) == {"4dabf18193072939515e22adb298388d", "ciphertext"}
    assert remote["outputs"]["stdout"] == "stdin"


def test_what_a_command_prints_is_shown_at_its_resource(snapshots: Snapshots) -> None:
    assert "command:local:Command (local):\n    a line of the local command" in snapshots.shown


def test_a_changed_input_updates_in_place(running: Stack) -> None:
    running.set(stdin="other")
    done = running.up()
    assert "~ 1 updated" in done.stdout
    assert running.output("remote") == "other"
    assert running.recorded == ""


def test_a_changed_trigger_creates_first_and_then_deletes_with_the_old_input(running: Stack) -> None:
    running.set(trigger="2", stdin="new\n")
    done = running.up()
    assert "+-1 replaced" in done.stdout
    assert running.recorded == "stdin\n"
    assert done.stdout.index("created replacement") < done.stdout.index("deleted original")


def test_first_up_creates_everything(snapshots: Snapshots) -> None:
    assert f"+ {RESOURCES} created" in snapshots.shown


def test_a_failed_command_says_what_it_printed_and_shows_no_stack_trace(stack: Stack) -> None:
    stack.set(create="echo reason >&2; exit 3")
    done = stack.up()
    shown = done.stdout + done.stderr
    assert done.returncode != 0
    assert 'error: Process exited with status 3: running "echo reason >&2; exit 3":\n    reason' in shown
    assert ".py" not in shown


def test_a_failed_update_keeps_the_old_inputs_and_runs_again(running: Stack) -> None:
    running.set(update="exit 1", stdin="new")
    assert running.up().returncode != 0
    connections = running.server.opened
    assert running.up().returncode != 0
    assert running.server.opened == connections + 1
    running.set(update="cat")
    assert "~ 1 updated" in running.up().stdout
    assert running.output("remote") == "new"


def test_a_use_that_does_not_exist_is_refused_in_the_preview(stack: Stack) -> None:
    stack.set(uses='["serving"]')
    done = stack.pulumi("preview")
    assert done.returncode != 0
    assert 'value must be one of: ["any_extended"' in done.stdout + done.stderr


def test_a_certificate_is_renewed_when_its_time_has_come_and_nothing_else(running: Stack) -> None:
    before = running.output("certificate")
    later = {clock.VARIABLE: f"+{81 * 3600}"}
    assert "[diff: ~readyForRenewal]" in running.pulumi("preview", environment=later).stdout
    done = running.up(later)
    assert "+-1 replaced" in done.stdout
    assert running.output("certificate") != before
    assert f"{RESOURCES} unchanged" in running.up(later).stdout


def test_a_refresh_finds_nothing_and_connects_nowhere(running: Stack) -> None:
    connections = running.server.opened
    done = running.pulumi("refresh", "--yes", "--skip-preview")
    assert done.returncode == 0
    assert f"{RESOURCES} unchanged" in done.stdout
    assert running.server.opened == connections


def test_destroy_runs_delete_and_leaves_nothing_and_needs_no_program(running: Stack) -> None:
    (running.project / "__main__.py").write_text("raise SystemExit('the program was run')\n")
    done = running.pulumi("destroy", "--yes", "--skip-preview")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"- {RESOURCES} deleted" in done.stdout
    assert running.recorded == "stdin\n"


def test_an_error_hook_sees_what_the_command_plugin_said(stack: Stack) -> None:
    stack.set(create="exit 4")
    assert 'hook: remote failed to create: Process exited with status 4: running "exit 4":' in stack.up().stdout


def test_a_replacement_trigger_deletes_on_the_old_before_it_creates_on_the_new(stack: Stack) -> None:
    stack.set(host="a")
    assert stack.up().returncode == 0
    stack.set(host="b")
    done = stack.up()
    assert "+-1 replaced" in done.stdout
    assert done.stdout.index("deleted original") < done.stdout.index("created replacement")


def test_an_offline_machine_is_not_contacted_and_can_be_dropped(running: Stack) -> None:
    connections = running.server.opened
    running.set(offline="true", stdin="other")
    assert running.up().returncode == 0
    running.set(dropped="true")
    assert "- 1 deleted" in running.up().stdout
    assert running.server.opened == connections
    assert running.recorded == ""


def test_making_a_stack_again_changes_neither_it_nor_its_file(running: Stack) -> None:
    file = running.project / f"Pulumi.{STACK}.yaml"
    before = file.read_bytes(), running.engine.resources(STACK, running.project)
    running.engine.ensure_stack(STACK, running.project)
    assert (file.read_bytes(), running.engine.resources(STACK, running.project)) == before


def test_a_new_stack_takes_over_a_committed_file_byte_by_byte(stack: Stack, tmp_path: Path) -> None:
    project = tmp_path / "other"
    project.mkdir()
    (project / "Pulumi.yaml").write_text("name: other\nruntime: python\n")
    salt = next(
        line
        for line in (stack.project / f"Pulumi.{STACK}.yaml").read_text().splitlines()
        if line.startswith("encryptionsalt:")
    )
    committed = f"# why this stack exists\n{salt}\nconfig:\n  # the address\n  other:ip: 10.0.0.1\n"
    (project / "Pulumi.dev.yaml").write_text(committed)
    stack.engine.ensure_stack("dev", project)
    assert (project / "Pulumi.dev.yaml").read_text() == committed
