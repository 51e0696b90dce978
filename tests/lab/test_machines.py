import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import cgroups, lifecycle, network, status
from lab.agent import ensure_agent
from lab.cgroups import Group
from lab.machines import Machine, _status, mounts_below, unmount_below
from lab.pki import host_key_line
from lab.settings import PROJECT, Lab, LabError, MachineName

from .conftest import NAME


def _traces(lab: Lab) -> dict[str, list[str]]:
    """All that a lab can leave on a computer, by kind; empty values when it left nothing."""
    processes = [str(pid) for group in cgroups.groups(lab) for pid in group.processes()]
    folders = [str(root / cgroups.PARENT / lab.name) for root in cgroups.hierarchies()]
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    return {
        "processes": processes,
        "mounts": [str(point) for point in mounts_below(lab.state)],
        "namespaces": network.namespaces(lab),
        "cgroups": [folder for folder in folders if Path(folder).exists()],
        "interfaces": [line for line in links.splitlines() if "10.77.0." in line or "cube" in line or "lan0" in line],
        "files": [str(lab.state)] if lab.state.exists() else [],
        "nspawn": [str(path) for path in Path("/run/systemd/nspawn").glob(f"*/{lab.namespace_prefix}*")],
    }


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline, "not within 15 s"
        time.sleep(0.05)


NOTHING: dict[str, list[str]] = {
    kind: [] for kind in ("processes", "mounts", "namespaces", "cgroups", "interfaces", "files", "nspawn")
}


@pytest.fixture
def fleeting_lab() -> Iterator[Lab]:
    """A lab for one test to take down in its own way."""
    lab = Lab(f"{NAME[:10]}fleet")
    lifecycle.down(lab)
    yield lab
    lifecycle.down(lab)


def _ssh(lab: Lab, machine: Machine, user: str, command: str, known_hosts: Path) -> subprocess.CompletedProcess[str]:
    known_hosts.write_text(f"{machine.place.address} {host_key_line(machine.place)}\n")
    options = ["-o", f"UserKnownHostsFile={known_hosts}", "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes"]
    return subprocess.run(
        lab.in_lan("ssh", "-F", "/dev/null", *options, f"{user}@{machine.place.address}", command),
        env={**os.environ, "SSH_AUTH_SOCK": str(lab.agent_socket)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("user", ["root", "pi"])
def test_the_labs_agent_opens_every_machine_and_its_host_key_is_the_published_one(
    bare_lab: Lab, bare_machines: list[Machine], user: str, tmp_path: Path
) -> None:
    for machine in bare_machines:
        done = _ssh(bare_lab, machine, user, "sudo -n id -u; hostname", tmp_path / "known_hosts")
        assert (done.stdout, done.stderr) == (f"0\n{machine.name}\n", "")


def test_a_client_without_the_labs_agent_stays_outside(
    bare_lab: Lab, bare_machines: list[Machine], tmp_path: Path
) -> None:
    command = bare_lab.in_lan(
        "ssh", "-F", "/dev/null", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no",
        "-o", f"UserKnownHostsFile={tmp_path}/known_hosts", f"root@{bare_machines[0].place.address}", "true",
    )  # fmt: skip  # one option pair a word
    environment = {key: value for key, value in os.environ.items() if key != "SSH_AUTH_SOCK"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "Permission denied" in done.stderr


def test_no_private_client_key_lies_on_any_disk_of_the_lab(bare_lab: Lab, bare_machines: list[Machine]) -> None:
    agent_keys = ensure_agent(bare_lab).split()[1]
    found = subprocess.run(
        ["grep", "-rlE", "--exclude-dir=root", "PRIVATE KEY", str(bare_lab.state)],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.splitlines()
    assert len(agent_keys) > 0
    assert {Path(path).name for path in found} <= {"ssh_host_ed25519_key"}
    assert len(found) == len(bare_machines)


def test_a_node_has_no_python_and_what_a_bare_machine_must_have(bare_machines: list[Machine]) -> None:
    seen = bare_machines[1].run(
        ["sh", "-c", "command -v python3; command -v sudo; command -v sshd; ls -d /etc/rancher/k3s; command -v k3s"],
        check=False,
    )
    assert seen.stdout.split() == ["/usr/bin/sudo", "/usr/sbin/sshd", "/etc/rancher/k3s"]


def test_every_service_of_a_machine_comes_up(bare_machines: list[Machine]) -> None:
    waited = bare_machines[0].run(["systemctl", "is-system-running", "--wait"], check=False)
    assert waited.stdout.strip() == "running"


def test_machines_reach_each_other_and_nothing_else(bare_machines: list[Machine]) -> None:
    first, second = bare_machines
    reach = first.run(
        ["sh", "-c", f"curl -sm 2 telnet://{second.place.address}:22 </dev/null | head -c 4"], check=False
    )
    assert reach.stdout == "SSH-"
    away = first.run(["curl", "-sm", "2", "http://192.0.2.1/"], check=False)
    assert away.returncode != 0


def test_a_reboot_from_inside_brings_the_machine_back_with_its_disk(bare_machines: list[Machine]) -> None:
    machine = bare_machines[1]
    machine.write("/etc/kept", "through the reboot\n")
    before = machine.run(["cat", "/proc/sys/kernel/random/boot_id"]).stdout
    machine.reboot()
    assert machine.run(["cat", "/proc/sys/kernel/random/boot_id"]).stdout != before
    assert machine.run(["cat", "/etc/kept"]).stdout == "through the reboot\n"


def test_a_stopped_machine_starts_again_with_its_disk(bare_machines: list[Machine]) -> None:
    machine = bare_machines[1]
    machine.run(["sh", "-c", "echo kept >/var/lib/rancher/kept"])
    machine.stop()
    assert not machine.is_running()
    machine.start()
    machine.wait_for_ssh()
    assert machine.run(["cat", "/var/lib/rancher/kept"]).stdout == "kept\n"


def test_poweroff_from_inside_ends_the_machine(bare_machines: list[Machine]) -> None:
    machine = bare_machines[1]
    machine.run(["systemctl", "poweroff"], check=False)
    _wait_until(lambda: machine.group.processes() == set())


def test_what_a_command_leaves_behind_ends_with_its_machine(bare_machines: list[Machine]) -> None:
    machine = bare_machines[1]
    pid = int(machine.run(["sh", "-c", "setsid sleep 300 >/dev/null 2>&1 & echo $!"]).stdout)
    assert pid > 0
    held = {_status(process)["NSpid"].split()[-1] for process in machine.group.processes()}
    assert str(pid) in held
    machine.kill()
    assert machine.group.processes() == set()


def test_a_machine_that_does_not_run_says_so_instead_of_failing_oddly(bare_machines: list[Machine]) -> None:
    machine = bare_machines[1]
    machine.kill()
    with pytest.raises(LabError, match="cube01 does not run"):
        machine.run(["true"])


def test_starting_twice_is_quick_and_changes_nothing(bare_lab: Lab, bare_machines: list[Machine]) -> None:
    leaders = [machine.leader() for machine in bare_machines]
    began = time.monotonic()
    lifecycle.up(bare_lab, bare=True)
    assert time.monotonic() - began < 2
    assert [machine.leader() for machine in bare_machines] == leaders


def test_a_killed_machine_is_brought_back_and_the_other_left_alone(bare_lab: Lab, bare_machines: list[Machine]) -> None:
    first, second = bare_machines
    untouched = first.leader()
    leader = second.leader()
    assert leader is not None
    os.kill(leader, signal.SIGKILL)
    _wait_until(lambda: second.leader() is None)
    lifecycle.up(bare_lab, bare=True)
    assert second.run(["hostname"]).stdout == "cube01\n"
    assert first.leader() == untouched


def test_a_dead_agent_is_replaced_and_its_key_no_longer_opens_a_machine(
    bare_lab: Lab, bare_machines: list[Machine], tmp_path: Path
) -> None:
    old = ensure_agent(bare_lab)
    Group(bare_lab, "agent").kill()
    lifecycle.up(bare_lab, bare=True)
    assert _ssh(bare_lab, bare_machines[0], "root", "hostname", tmp_path / "known").stdout == "control01\n"
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
    done = _ssh(fleeting_lab, other, "root", "cat /etc/which", tmp_path / "known")
    assert done.stdout == "fleeting\n"
    lifecycle.down(fleeting_lab)
    assert all(machine.is_running() for machine in bare_machines)
    assert _ssh(bare_lab, bare_machines[0], "root", "cat /etc/which", tmp_path / "known").returncode == 1


def test_down_leaves_nothing(fleeting_lab: Lab) -> None:
    lifecycle.up(fleeting_lab, count=2, bare=True)
    lifecycle.down(fleeting_lab)
    assert _traces(fleeting_lab) == NOTHING


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
    assert _traces(fleeting_lab) == NOTHING


def test_down_twice_and_down_of_what_never_was_are_harmless(fleeting_lab: Lab) -> None:
    lifecycle.down(fleeting_lab)
    lifecycle.down(fleeting_lab)
    assert status.describe(fleeting_lab) == f"lab {fleeting_lab.name} is not up"


def test_down_leaves_nothing_after_every_supervisor_was_killed(fleeting_lab: Lab) -> None:
    lifecycle.up(fleeting_lab, count=2, bare=True)
    for name in ("control01", "cube01"):
        for folder in Group(fleeting_lab, name).folders():
            for pid in (folder / "supervisor" / "cgroup.procs").read_text().split():
                os.kill(int(pid), signal.SIGKILL)
    lifecycle.down(fleeting_lab)
    assert _traces(fleeting_lab) == NOTHING


def test_down_leaves_nothing_when_the_state_folder_was_deleted_under_a_running_lab(fleeting_lab: Lab) -> None:
    lifecycle.up(fleeting_lab, count=1, bare=True)
    (fleeting_lab.state / "shape.json").unlink()
    (fleeting_lab.machines_folder / "control01").rename(fleeting_lab.state / "elsewhere")
    lifecycle.down(fleeting_lab)
    assert _traces(fleeting_lab) == NOTHING


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
    assert _traces(fleeting_lab) == NOTHING


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
    lifecycle.Shape(bare=False).keep(fleeting_lab)
    with pytest.raises(LabError, match="was started with Kubernetes"):
        lifecycle.up(fleeting_lab, bare=True)
