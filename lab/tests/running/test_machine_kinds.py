"""The default machines as they run: each of them is of another kind."""

import json
import shutil
from pathlib import Path

from lab.api import Api
from lab.kinds import DEFAULT_DATA_DIR
from lab.machines import Machine
from lab.settings import DEFAULT_MACHINES, Lab, MachineName

from .ssh_client import ssh

PLACES = [MachineName(index) for index in range(DEFAULT_MACHINES)]


def test_each_k3s_runs_from_the_data_dir_of_its_machine_and_notes_it_on_its_node(lab: Lab) -> None:
    nodes = {node["metadata"]["name"]: node["metadata"]["annotations"] for node in Api(lab).items("/api/v1/nodes")}
    for place in PLACES:
        agent, machine = f"{place.kind.data_dir}/agent", Machine(lab, place)
        processes = machine.run(["ps", "-eo", "args"]).stdout.splitlines()
        assert f"containerd -c {agent}/etc/containerd/config.toml" in processes
        assert machine.path(f"{agent}/kubelet.kubeconfig").exists()
        words = json.loads(nodes[place.name]["k3s.io/node-args"])
        assert words[0] == ("server" if place.is_server else "agent")
        assert tuple(words[-2:]) == place.kind.k3s_flags or not {"-d", "--data-dir"}.intersection(words)


def test_tools_of_k3s_that_are_not_told_the_data_dir_look_and_unpack_below_the_default_one(lab: Lab) -> None:
    """As on users' machines whose unit alone names the data-dir."""
    (machine,) = (Machine(lab, place) for place in PLACES if place.kind.data_dir != DEFAULT_DATA_DIR)
    default = machine.path(DEFAULT_DATA_DIR)
    assert machine.run(machine.kind.k3s("crictl", "images"), check=False).returncode == 0
    assert not default.exists()
    untold = machine.run(["k3s", "crictl", "images"], check=False)
    try:
        assert "dial unix /run/containerd/containerd.sock" in untold.stderr
        assert [path.name for path in default.iterdir()] == ["data"]
    finally:
        shutil.rmtree(default)


def test_a_machine_without_sudo_has_nothing_of_it_and_lets_root_in(lab: Lab, tmp_path: Path) -> None:
    (machine,) = (Machine(lab, place) for place in PLACES if not place.kind.has_sudo)
    assert machine.run(["sh", "-c", "command -v sudo; ls -d /etc/sudoers*"], check=False).stdout == ""
    done = ssh(lab, machine, machine.kind.user, "id -u; dpkg-query --show sudo", tmp_path / "known_hosts")
    assert done.stdout == "0\n"
    assert "no packages found matching sudo" in done.stderr
