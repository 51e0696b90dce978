"""One machine: who gets in, what it has and reaches, how it ends and comes back."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab import network
from lab.machines import Machine, _status
from lab.settings import Lab, LabError
from lab.tests.waiting import wait_until

from .ssh_client import ssh


@pytest.mark.parametrize("user", ["root", "pi"])
def test_the_labs_agent_opens_every_machine_and_its_host_key_is_the_published_one(
    bare_lab: Lab, bare_machines: list[Machine], user: str, tmp_path: Path
) -> None:
    for machine in bare_machines:
        assert machine.kind.has_sudo
        done = ssh(bare_lab, machine, user, "sudo -n id -u; hostname", tmp_path / "known_hosts")
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
    # On the disks themselves: the machines' mounted root file systems show the same once more.
    command = ["find", str(bare_lab.state), "-xdev", "-type", "f", "-exec", "grep", "-l", "PRIVATE KEY", "{}", "+"]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
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


def test_machines_reach_each_other(bare_machines: list[Machine]) -> None:
    first, second = bare_machines
    reach = first.run(
        ["sh", "-c", f"curl -sm 2 telnet://{second.place.address}:22 </dev/null | head -c 4"], check=False
    )
    assert reach.stdout == "SSH-"


def test_the_lan_has_no_way_out(bare_lab: Lab, bare_machines: list[Machine]) -> None:
    def told(*what: str) -> list[dict[str, Any]]:
        done = subprocess.run(bare_lab.in_lan("ip", "-json", *what), capture_output=True, text=True, check=True)
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    links = {link["ifname"]: link.get("master") for link in told("link")}
    ports = {machine.name: network.BRIDGE for machine in bare_machines}
    assert links == {"lo": None, network.BRIDGE: None, **ports}
    assert {route["dev"] for route in told("route")} == {network.BRIDGE}
    assert "default" not in {route["dst"] for route in told("route")}


def test_a_reboot_from_inside_brings_the_machine_back_with_its_disk(bare_machines: list[Machine]) -> None:
    machine = bare_machines[1]
    machine.write("/etc/kept", "through the reboot\n")
    before = machine.run(["cat", "/proc/sys/kernel/random/boot_id"]).stdout
    machine.reboot()
    assert machine.run(["cat", "/proc/sys/kernel/random/boot_id"]).stdout != before
    assert machine.run(["cat", "/etc/kept"]).stdout == "through the reboot\n"


def test_a_stopped_machine_starts_again_with_its_disk(bare_machines: list[Machine]) -> None:
    machine = bare_machines[1]
    kept = [f"{target}/kept" for target in machine.data_folders.values()]
    machine.run(["sh", "-c", 'for file; do echo kept >"$file"; done', "sh", *kept])
    machine.stop()
    assert not machine.is_running()
    machine.start()
    machine.wait_for_ssh()
    assert machine.run(["cat", *kept]).stdout == "kept\n" * len(kept)


def test_poweroff_from_inside_ends_the_machine(bare_machines: list[Machine]) -> None:
    machine = bare_machines[1]
    machine.run(["systemctl", "poweroff"], check=False)
    wait_until(lambda: machine.group.processes() == set(), 30, "every process of the machine has ended")


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
