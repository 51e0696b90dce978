"""A lab brought up, mended, and taken down, on bare machines: whatever happened to it before."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab import cgroups, lifecycle, needs, network, status
from lab.cgroups import Group
from lab.kinds import KINDS
from lab.machines import Machine
from lab.mounts import unmount_below
from lab.settings import PROJECT, Lab, LabError, MachineName
from lab.shape import Shape
from lab.ssh_agent import ensure_agent
from lab.tests.waiting import wait_until

from .leftovers import NOTHING, leftovers
from .ssh_client import ssh


def test_starting_twice_begins_nothing_and_changes_nothing(
    bare_lab: Lab, bare_machines: list[Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    leaders = [machine.leader() for machine in bare_machines]

    def boot(*_: object) -> None:
        pytest.fail("what takes time was begun")

    monkeypatch.setattr(lifecycle, "_boot", boot)
    lifecycle.up(bare_lab, bare=True)
    assert [machine.leader() for machine in bare_machines] == leaders


def test_too_few_inotify_instances_are_named_before_anything_is_installed_or_built(
    fleeting_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begin(*_: object) -> None:
        pytest.fail("something was begun")

    monkeypatch.setattr(needs, "inotify_free", lambda most: most - 1)
    monkeypatch.setattr(lifecycle, "ensure_packages", begin)
    monkeypatch.setattr(lifecycle, "_boot", begin)
    lacking = rf"3 more machines need {needs.INOTIFY_LAB} .* run sysctl -w fs\.inotify\.max_user_instances=512"
    with pytest.raises(LabError, match=lacking):
        lifecycle.up(fleeting_lab, count=3)


def test_a_killed_machine_is_brought_back_and_the_other_left_alone(bare_lab: Lab, bare_machines: list[Machine]) -> None:
    first, second = bare_machines
    untouched = first.leader()
    leader = second.leader()
    assert leader is not None
    os.kill(leader, signal.SIGKILL)
    wait_until(lambda: second.leader() is None, 30, "cube01 has ended")
    lifecycle.up(bare_lab, bare=True)
    assert second.run(["hostname"]).stdout == "cube01\n"
    assert first.leader() == untouched


def test_a_dead_agent_is_replaced_and_its_key_no_longer_opens_a_machine(
    bare_lab: Lab, bare_machines: list[Machine], tmp_path: Path
) -> None:
    old = ensure_agent(bare_lab)
    Group(bare_lab, "agent").kill()
    lifecycle.up(bare_lab, bare=True)
    assert ssh(bare_lab, bare_machines[0], "root", "hostname", tmp_path / "known").stdout == "control01\n"
    assert bare_machines[0].path("/root/.ssh/authorized_keys").read_text() == ensure_agent(bare_lab) != old


def test_a_further_machine_joins_a_running_lab_and_leaves_it_alone(bare_lab: Lab, bare_machines: list[Machine]) -> None:
    leaders = [machine.leader() for machine in bare_machines]
    added = Machine(bare_lab, MachineName.parse("cube02"))
    lifecycle.up(bare_lab, count=3, bare=True)
    assert added.run(["hostname"]).stdout == "cube02\n"
    lifecycle.remove_machine(bare_lab, "cube02")
    assert (added.folder.exists(), added.group.processes()) == (False, set())
    assert [machine.leader() for machine in bare_machines] == leaders


def test_a_lab_comes_back_with_its_disks_after_the_computer_was_restarted(fleeting_lab: Lab) -> None:
    lifecycle.up(fleeting_lab, count=2, bare=True)
    machine = Machine(fleeting_lab, MachineName(1))
    machine.run(["sh", "-c", "echo kept >/etc/kept"])
    # What a restart takes away: everything but files on real disks.
    for group in cgroups.groups(fleeting_lab):
        group.kill()
        group.remove()
    unmount_below(fleeting_lab.state)
    network.remove_all(fleeting_lab)
    lifecycle.up(fleeting_lab, bare=True)
    assert machine.run(["cat", "/etc/kept"]).stdout == "kept\n"


def test_the_server_cannot_be_taken_away_alone(bare_lab: Lab) -> None:
    with pytest.raises(LabError, match="control01 carries the control plane"):
        lifecycle.remove_machine(bare_lab, "control01")


def test_two_labs_with_the_same_addresses_do_not_meet(
    bare_lab: Lab, bare_machines: list[Machine], fleeting_lab: Lab, tmp_path: Path
) -> None:
    lifecycle.up(fleeting_lab, count=1, bare=True)
    other = Machine(fleeting_lab, MachineName(0))
    other.write("/etc/which", "fleeting\n")
    done = ssh(fleeting_lab, other, "root", "cat /etc/which", tmp_path / "known")
    assert done.stdout == "fleeting\n"
    lifecycle.down(fleeting_lab)
    assert all(machine.is_running() for machine in bare_machines)
    assert ssh(bare_lab, bare_machines[0], "root", "cat /etc/which", tmp_path / "known").returncode == 1


def test_down_leaves_nothing_of_any_kind_of_machine(fleeting_lab: Lab) -> None:
    lifecycle.up(fleeting_lab, count=len(KINDS), bare=True)
    lifecycle.down(fleeting_lab)
    assert leftovers(fleeting_lab) == NOTHING


def test_down_ends_a_plugin_whose_engine_was_killed(fleeting_lab: Lab) -> None:
    plugin = fleeting_lab.state / "pulumi-home/plugins/sleep"
    plugin.parent.mkdir(parents=True)
    shutil.copy2("/bin/sleep", plugin)
    with subprocess.Popen([plugin, "600"], start_new_session=True) as process:
        lifecycle.down(fleeting_lab)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        found = process.returncode
        process.kill()
    assert found == -signal.SIGKILL
    assert leftovers(fleeting_lab) == NOTHING


def test_down_from_within_the_labs_own_lan_spares_itself_and_leaves_nothing(fleeting_lab: Lab) -> None:
    lifecycle.up(fleeting_lab, count=1, bare=True)
    script = "import os; from lab import lifecycle; from lab.cgroups import Group; from lab.settings import Lab; "
    script += "lab = Lab(os.environ['LAB']); Group(lab, 'run').enter(); lifecycle.down(lab); print('survived')"
    done = subprocess.run(
        fleeting_lab.in_lan(sys.executable, "-c", script),
        env={**os.environ, "LAB": fleeting_lab.name},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("survived\n", "")
    assert leftovers(fleeting_lab) == NOTHING


def test_down_twice_and_down_of_what_never_was_are_harmless(fleeting_lab: Lab) -> None:
    lifecycle.down(fleeting_lab)
    lifecycle.down(fleeting_lab)
    assert status.describe(fleeting_lab).startswith(f"lab {fleeting_lab.name} is not up")


def test_down_leaves_nothing_after_every_supervisor_was_killed(fleeting_lab: Lab) -> None:
    lifecycle.up(fleeting_lab, count=2, bare=True)
    for name in ("control01", "cube01"):
        for folder in Group(fleeting_lab, name).folders():
            for pid in (folder / "supervisor" / "cgroup.procs").read_text().split():
                os.kill(int(pid), signal.SIGKILL)
    lifecycle.down(fleeting_lab)
    assert leftovers(fleeting_lab) == NOTHING


def test_down_leaves_nothing_when_the_state_folder_was_deleted_under_a_running_lab(fleeting_lab: Lab) -> None:
    lifecycle.up(fleeting_lab, count=1, bare=True)
    (fleeting_lab.state / "shape.json").unlink()
    (fleeting_lab.machines_folder / "control01").rename(fleeting_lab.state / "elsewhere")
    lifecycle.down(fleeting_lab)
    assert leftovers(fleeting_lab) == NOTHING


def test_down_leaves_nothing_of_a_lab_that_was_started_by_half(
    fleeting_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(_: Machine, __: float = 0) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Machine, "wait_for_ssh", die)
    with pytest.raises(KeyboardInterrupt):
        lifecycle.up(fleeting_lab, count=2, bare=True)
    monkeypatch.undo()
    lifecycle.down(fleeting_lab)
    assert leftovers(fleeting_lab) == NOTHING


def test_a_lab_started_by_half_is_finished_by_the_next_up(fleeting_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(_: Machine) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Machine, "start", die)
    with pytest.raises(KeyboardInterrupt):
        lifecycle.up(fleeting_lab, count=2, bare=True)
    monkeypatch.undo()
    lifecycle.up(fleeting_lab, count=2, bare=True)
    assert Machine(fleeting_lab, MachineName(1)).run(["hostname"]).stdout == "cube01\n"


def test_a_bare_request_for_a_lab_with_kubernetes_is_refused(fleeting_lab: Lab) -> None:
    fleeting_lab.state.mkdir(parents=True)
    Shape(bare=False).keep(fleeting_lab)
    with pytest.raises(LabError, match="was started with Kubernetes"):
        lifecycle.up(fleeting_lab, bare=True)
