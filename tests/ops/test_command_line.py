import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ops import __main__ as command_line
from ops.failure import OpsError

PROJECT = Path(__file__).parents[2]


class Command:
    """A command as its module has it."""

    __doc__ = "What it is for."

    def __init__(self, outcome: int | BaseException) -> None:
        self.outcome = outcome

    def configure(self, parser: Any) -> None:
        parser.add_argument("--how")

    def run(self, _arguments: Any) -> int:
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


@pytest.mark.parametrize(
    ("outcome", "status"),
    [(0, 0), (1, 1), (OpsError("no node has that name"), 2), (KeyboardInterrupt(), 130)],
    ids=["good", "finding", "mistake", "interrupted"],
)
def test_the_exit_status_says_how_a_command_ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], outcome: int | BaseException, status: int
) -> None:
    monkeypatch.setitem(sys.modules, "ops.sample", Command(outcome))
    monkeypatch.setattr(command_line, "COMMANDS", {"sample": "a sample"})
    assert command_line.main(["sample"]) == status
    assert capsys.readouterr().err == ("ops: no node has that name\n" if status == 2 else "")


def test_a_missing_package_is_one_sentence_that_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    def missing() -> None:
        raise ModuleNotFoundError(name="rich")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command_line, "parser", missing)
        assert command_line.main([]) == 2
    assert capsys.readouterr().err.startswith("ops: rich is not installed; ")


def test_the_program_needs_none_of_the_commands_packages() -> None:
    listing = "import sys, components.registry_stack; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", listing], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert not {"rich", "ruamel", "ops"} & set(done.stdout.split())
