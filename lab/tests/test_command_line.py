import sys

import pytest

from lab import __main__ as command_line
from lab import inventory, lifecycle, needs
from lab.settings import Lab, LabError


@pytest.fixture(autouse=True)
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "is_root", lambda: True)


def _call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["lab", *arguments])
    return command_line.main()


@pytest.mark.parametrize("arguments", [["--name", "a", "down"], ["down", "--name", "a"]])
def test_the_labs_name_may_stand_before_or_behind_the_command(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    taken: list[Lab] = []
    monkeypatch.setattr(lifecycle, "down", taken.append)
    assert _call(monkeypatch, *arguments) == 0
    assert taken == [Lab("a")]


def test_without_a_name_the_lab_is_dev(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Lab] = []
    monkeypatch.setattr(lifecycle, "down", taken.append)
    _call(monkeypatch, "down")
    assert taken == [Lab("dev")]


def test_a_users_mistake_is_one_line_without_a_stack_trace(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _call(monkeypatch, "--name", "Not A Name", "show") == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("lab: lab name 'Not A Name'")
    assert len(said.err.splitlines()) == 1


def test_a_command_on_the_lan_of_a_lab_that_is_not_up_says_how_to_start_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _call(monkeypatch, "--name", "neverwas", "run", "true") == 1
    assert "start it with make up LAB=neverwas" in capsys.readouterr().err


def test_the_environment_of_a_lab_that_is_not_up_is_refused_and_nothing_is_made(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _call(monkeypatch, "--name", "neverwas", "env") == 1
    assert "start it with make up LAB=neverwas" in capsys.readouterr().err
    assert not Lab("neverwas").state.exists()


@pytest.mark.parametrize("command", [["up"], ["down"], ["enter", "cube01"], ["run", "true"], ["env"], ["deploy"]])
def test_a_user_is_told_that_labs_belong_to_root(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    monkeypatch.setattr(needs, "is_root", lambda: False)
    assert _call(monkeypatch, *command) == 1
    assert capsys.readouterr().err.endswith("labs belong to root: run the same command with sudo\n")


def test_down_with_tests_also_takes_what_test_runs_have_left(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Lab] = []
    monkeypatch.setattr(lifecycle, "down", taken.append)
    monkeypatch.setattr(inventory, "of_tests", lambda: [Lab("test"), Lab("testbare")])
    assert _call(monkeypatch, "down", "--tests") == 0
    assert taken == [Lab("dev"), Lab("test"), Lab("testbare")]


def test_down_with_all_takes_every_lab_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Lab] = []
    monkeypatch.setattr(lifecycle, "down", taken.append)
    monkeypatch.setattr(inventory, "labs", lambda: [Lab("a"), Lab("b")])
    assert _call(monkeypatch, "down", "--all") == 0
    assert taken == [Lab("a"), Lab("b")]


def test_an_interrupted_start_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_: Lab, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(lifecycle, "up", interrupt)
    assert _call(monkeypatch, "up") == 130
    assert "down removes them" in capsys.readouterr().err


@pytest.mark.parametrize("count", [-1, 21])
def test_a_number_of_machines_that_no_lab_can_have_is_refused(count: int) -> None:
    with pytest.raises(LabError, match=f"--machines {count}: a lab has 1 to 20 machines"):
        lifecycle._wanted(Lab("neverwas"), count)


def test_a_lab_has_three_machines_unless_asked_otherwise() -> None:
    names = [machine.name for machine in lifecycle._wanted(Lab("neverwas"), None)]
    assert names == ["control01", "cube01", "cube02"]
