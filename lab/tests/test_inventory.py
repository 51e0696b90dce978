import os
import subprocess
from pathlib import Path

import pytest

from lab import cgroups, inventory, network
from lab.settings import Lab


@pytest.fixture
def states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory in place of the labs' state, and no cgroups or namespaces of any lab."""
    monkeypatch.setattr(inventory, "STATE_ROOT", tmp_path)
    monkeypatch.setattr("lab.settings.STATE_ROOT", tmp_path)
    monkeypatch.setattr(cgroups, "lab_names", set)
    monkeypatch.setattr(network, "lab_names", set)
    return tmp_path


def _lab(states: Path, name: str) -> Lab:
    (states / name).mkdir()
    return Lab(name)


def test_a_lab_is_found_by_whatever_is_left_of_it(states: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _lab(states, "folder")
    monkeypatch.setattr(cgroups, "lab_names", lambda: {"group"})
    monkeypatch.setattr(network, "lab_names", lambda: {"namespace"})
    assert inventory.labs() == [Lab("folder"), Lab("group"), Lab("namespace")]


def test_a_folder_that_no_lab_can_be_called_is_left_out(states: Path) -> None:
    (states / "Not-A-Lab").mkdir()
    assert inventory.labs() == []


def test_a_lab_without_an_owner_on_record_has_none(states: Path) -> None:
    assert not inventory.has_living_owner(_lab(states, "a"))


def test_a_lab_that_a_living_process_works_with_is_left_to_it(states: Path) -> None:
    inventory.own(_lab(states, "test"))
    assert inventory.of_tests() == []


def test_a_lab_of_tests_whose_process_is_gone_was_left_behind(states: Path) -> None:
    lab = _lab(states, "test")
    gone = subprocess.Popen(["true"])
    gone.wait()
    (lab.state / "owner").write_text(f"{gone.pid} 1")
    assert inventory.of_tests() == [lab]


def test_another_process_with_the_owners_number_is_not_the_owner(states: Path) -> None:
    lab = _lab(states, "test")
    (lab.state / "owner").write_text(f"{os.getpid()} 1")
    assert not inventory.has_living_owner(lab)


def test_a_lab_of_the_users_own_was_not_left_by_tests(states: Path) -> None:
    _lab(states, "dev")
    assert inventory.of_tests() == []
