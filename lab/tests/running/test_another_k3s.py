"""The swap of K3s: the look-alike itself, under another path, in its own place."""

import shutil
from pathlib import Path

from lab import lifecycle, toolchain
from lab.api import Api
from lab.machines import Machine
from lab.settings import Lab, MachineName


def test_a_cluster_of_another_k3s_outlives_the_users_file_and_takes_in_machines(
    fleeting_lab: Lab, tmp_path: Path
) -> None:
    binary = tmp_path / "mine"
    shutil.copy2(toolchain.ensure(["k3s"])["k3s"], binary)
    lifecycle.up(fleeting_lab, count=1, choice=str(binary))
    binary.unlink()
    lifecycle.up(fleeting_lab, count=2)
    assert Api(fleeting_lab).node_states() == {"control01": "Ready", "cube01": "Ready"}
    own, inside = fleeting_lab.programs / "k3s", Machine(fleeting_lab, MachineName(1)).path("/usr/local/bin/k3s")
    assert not own.is_symlink()
    assert inside.stat().st_size == own.stat().st_size


def test_k3s_is_started_as_its_installer_does_but_knows_no_invocation(lab: Lab) -> None:
    """With one a real K3s would ask systemd for the cgroups of pods."""
    for index, unit in enumerate(("k3s", "k3s-agent")):
        machine = Machine(lab, MachineName(index))
        shown = machine.run(["systemctl", "show", "-P", "MainPID", unit]).stdout.strip()
        environment = machine.run(["cat", f"/proc/{shown}/environ"]).stdout.split("\0")
        assert not [variable for variable in environment if variable.startswith("INVOCATION_ID=")]
        assert machine.path(f"/etc/systemd/system/{unit}.service.env").stat().st_mode & 0o777 == 0o600
