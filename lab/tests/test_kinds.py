"""Every lab of three machines or more has a node of each kind."""

import pytest

from lab import cluster
from lab.kinds import DEFAULT_DATA_DIR, KINDS, Kind
from lab.machines import Machine
from lab.settings import DEFAULT_MACHINES, MAX_MACHINES, Lab, MachineName


def kinds(count: int) -> list[Kind]:
    """The kinds of a lab's first machines."""
    return [MachineName(index).kind for index in range(count)]


def test_the_default_machines_are_a_usual_one_one_with_another_data_dir_and_one_without_sudo() -> None:
    assert [(kind.user, kind.has_sudo, kind.data_dir) for kind in kinds(DEFAULT_MACHINES)] == [
        ("pi", True, DEFAULT_DATA_DIR),
        ("pi", True, "/mnt/ssd/k3s"),
        ("root", False, DEFAULT_DATA_DIR),
    ]


@pytest.mark.parametrize("count", range(1, MAX_MACHINES + 1))
def test_a_lab_of_any_size_has_as_many_kinds_as_it_can(count: int) -> None:
    assert len(set(kinds(count))) == min(count, len(KINDS))


def test_a_machine_keeps_its_kind_when_others_join() -> None:
    assert kinds(MAX_MACHINES)[: len(KINDS)] == list(KINDS)


def test_a_unit_names_the_data_dir_as_k3s_installer_writes_it() -> None:
    units = [cluster.unit(Machine(Lab("neverwas"), MachineName(index))) for index in range(3)]
    assert [name for name, _ in units] == ["k3s", "k3s-agent", "k3s-agent"]
    head = "ExecStart=/usr/local/bin/k3s \\\n"
    assert units[0][1].endswith(f"{head}    server \\\n\n")
    assert units[1][1].endswith(f"{head}    agent \\\n\t'--data-dir' \\\n\t'/mnt/ssd/k3s' \\\n\n")
    assert units[2][1].endswith(f"{head}    agent \\\n\n")


def test_a_disk_of_the_machines_own_is_kept_on_a_real_file_system() -> None:
    usual, other, _ = (Machine(Lab("neverwas"), MachineName(index)) for index in range(3))
    assert other.path("/mnt/ssd/k3s/agent") == other.folder / "data/disk/k3s/agent"
    assert usual.path("/mnt/ssd/k3s/agent") == usual.root / "mnt/ssd/k3s/agent"
