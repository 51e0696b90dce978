"""A node on which K3s must be restarted, with real systemd and SSH, and the rollback when the restart fails."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from components.nodes.script import TRUST_WITH_RESTART, command, render
from lab.deployment import STACK
from lab.machines import Machine
from lab.settings import MachineName
from lab.tests.running.ssh_client import ssh_command
from lab.tests.waiting import wait_until

from .deployed import Deployed, units
from .node_files import differences, snapshot
from .program import only

pytestmark = [pytest.mark.lab, pytest.mark.long]
NODE = "cube01"
AGENT = f"{MachineName.parse(NODE).kind.data_dir}/agent"
CONFIG = f"{AGENT}/etc/containerd/config.toml"
CNI = "/etc/cni/net.d/10-lab.conflist"
JOURNAL = "/etc/rancher/k3s/k3s-registry-ca.crt.restart"
LOCK = "/run/k3s-registry.lock"
DROP_IN = "/etc/systemd/system/k3s-agent.service.d/fault.conf"
READY_SECONDS = 15
END_SECONDS = 3 * READY_SECONDS
FAULTS = {
    "fails": "ExecStart=\nExecStart=/bin/false",
    "hangs": "ExecStartPre=/bin/sleep 600",
    # systemctl returns 0 and K3s runs, but its kubelet reports that it is not ready because it lacks a network.
    "stays not ready": f"ExecStartPre=-/bin/mv {CNI} /run/taken-away",
}


def forget_config_path(machine: Machine) -> None:
    """Imitate a K3s that was upgraded from a version that set no directory, and has not been restarted since."""
    path = machine.path(CONFIG)
    kept = [line for line in path.read_text().splitlines(keepends=True) if "config_path" not in line]
    path.write_text("".join(kept))


def managed(machine: Machine) -> dict[str, str]:
    """What K3s reads and the program might touch, without what K3s writes anew and what a test put there.

    The system store is not K3s's: it keeps the authority.
    """
    others = (CONFIG, DROP_IN, CNI, "/etc/ssl/certs/", "/usr/local/share/ca-certificates/")
    return {name: entry for name, entry in snapshot(machine).items() if not name.startswith(others)}


@dataclass(frozen=True)
class Visit:
    """A node without the program's files, on which an `apply` needs a restart, and the input that requests it."""

    deployed: Deployed
    machine: Machine
    text: str
    folder: Path

    def ssh(self) -> subprocess.Popen[str]:
        """Run the apply over SSH, as the command provider does."""
        argv, environment = ssh_command(
            self.deployed.program.lab,
            self.machine,
            self.machine.kind.user,
            command("apply"),
            self.folder / "known_hosts",
        )
        process = subprocess.Popen(
            argv, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdin is not None
        process.stdin.write(self.text)
        process.stdin.close()
        process.stdin = None
        return process

    def apply(self) -> tuple[int, str, str]:
        process = self.ssh()
        stdout, stderr = process.communicate(timeout=120)
        return process.returncode, stdout, stderr

    def spoil(self, fault: str) -> None:
        self.machine.run(["mkdir", "-p", str(Path(DROP_IN).parent)])
        self.machine.write(DROP_IN, f"[Service]\n{fault}\n")
        self.machine.run(["systemctl", "daemon-reload"])

    def mend(self) -> None:
        script = (
            f"rm -rf {Path(DROP_IN).parent}; [ ! -e /run/taken-away ] || mv /run/taken-away {CNI}; "
            "systemctl daemon-reload; systemctl reset-failed k3s-agent; systemctl restart k3s-agent"
        )
        self.machine.run(["sh", "-c", script])

    def has_journal(self) -> bool:
        return self.machine.path(f"{JOURNAL}/started").exists()

    def is_locked(self) -> bool:
        return self.machine.run(["test", "-L", LOCK], check=False).returncode == 0


@pytest.fixture
def visit(deployed: Deployed, tmp_path: Path) -> Iterator[Visit]:
    program = deployed.program
    machine = program.machines[NODE]
    resources = program.engine.resources(STACK)
    (text,) = [r["inputs"]["stdin"] for r in resources if r["urn"].endswith(f"::{NODE}-trust")]
    program.up(config=program.configuration(only("control01", "cube02")))
    forget_config_path(machine)
    told = text[: text.index("script=$(")]
    script = render(TRUST_WITH_RESTART, {"rollout": "serial", "ready_seconds": str(READY_SECONDS)})
    visit = Visit(deployed, machine, told + script, tmp_path)
    yield visit
    visit.mend()
    deployed.wait_for_nodes()
    program.up()


def containers(deployed: Deployed) -> dict[str, Any]:
    """The ID and restart count of every container of the cluster, by its pod."""
    pods = json.loads(deployed.program.kubectl("get", "pods", "-A", "-o", "json"))["items"]
    return {
        pod["metadata"]["name"]: [(c["containerID"], c["restartCount"]) for c in pod["status"]["containerStatuses"]]
        for pod in pods
        if pod["status"]["phase"] == "Running"
    }


def test_a_serial_rollout_restarts_the_one_node_that_needs_it_and_its_pods_run_on(
    deployed: Deployed, visit: Visit
) -> None:
    program = deployed.program

    def serial(keys: dict[str, Any]) -> None:
        keys["rollout"] = "serial"
        keys["nodes"]["control01"]["role"] = "server"

    starts, before = deployed.unit_starts(), containers(deployed)
    refused = program.up(expect=None)
    assert refused.status != 0
    assert f"node {NODE}: found no config_path in {CONFIG}" in refused.text
    assert "set rollout: serial" in refused.text
    assert deployed.unit_starts() == starts
    program.up(config=program.configuration(serial))
    after = deployed.unit_starts()
    assert [name for name in starts if after[name] != starts[name]] == [NODE]
    assert "NRestarts=0" in after[NODE]
    assert containers(deployed) == before
    assert program.outputs()["verifiedNodes"] == ["control01", "cube01", "cube02"]
    assert not visit.machine.path(JOURNAL).exists()


@pytest.mark.parametrize("fault", FAULTS)
def test_the_former_files_are_back_when_the_run_says_what_was_seen(visit: Visit, fault: str) -> None:
    before = managed(visit.machine)
    visit.spoil(FAULTS[fault])
    status, stdout, stderr = visit.apply()
    assert (status, stdout) == (1, ""), stderr
    assert stderr.startswith(f"node {NODE}: found K3s not ready within {READY_SECONDS} s"), stderr
    assert differences(before, managed(visit.machine)) == []
    assert not visit.is_locked()
    converges(visit)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_former_files_are_back_though_the_connection_died(visit: Visit, fault: str) -> None:
    before = managed(visit.machine)
    visit.spoil(FAULTS[fault])
    process = visit.ssh()
    wait_until(visit.has_journal, 30, "the restart is under way")
    process.kill()
    process.communicate(timeout=30)
    wait_until(lambda: not visit.machine.path(JOURNAL).exists(), END_SECONDS, "the node has decided", pause=0.5)
    wait_until(lambda: not visit.is_locked(), END_SECONDS, "the lock is free", pause=0.5)
    assert differences(before, managed(visit.machine)) == []
    converges(visit)


def converges(visit: Visit) -> None:
    """Check that the next run, on the repaired node, applies the change, and that the one after it changes nothing."""
    visit.mend()
    visit.deployed.wait_for_nodes()
    status, stdout, stderr = visit.apply()
    assert (status, stderr) == (0, "")
    assert json.loads(stdout)["changed"] is True
    starts = units(visit.machine)
    status, stdout, stderr = visit.apply()
    assert (status, stderr, json.loads(stdout)["what"]) == (0, "", [])
    assert units(visit.machine) == starts


def test_a_node_that_lost_power_during_the_restart_converges(visit: Visit) -> None:
    visit.spoil(FAULTS["hangs"])
    process = visit.ssh()
    wait_until(visit.has_journal, 30, "the restart is under way")
    visit.machine.kill()
    process.kill()
    process.communicate(timeout=30)
    visit.machine.path(DROP_IN).unlink()
    visit.machine.start()
    visit.machine.wait_for_ssh()
    visit.deployed.wait_for_nodes()
    status, stdout, stderr = visit.apply()
    assert (status, stderr) == (0, "")
    assert "restart" in json.loads(stdout)["what"]
    assert not visit.machine.path(JOURNAL).exists()
