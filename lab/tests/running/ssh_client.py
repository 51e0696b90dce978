"""ssh(1) on the LAN, with the lab's agent and the published host keys, without the user's settings."""

import os
import subprocess
from pathlib import Path

from lab.host_keys import host_key_line
from lab.machines import Machine
from lab.settings import Lab


def ssh_command(
    lab: Lab, machine: Machine, user: str, command: str, known_hosts: Path
) -> tuple[list[str], dict[str, str]]:
    """The command line and the environment of one SSH command."""
    known_hosts.write_text(f"{machine.place.address} {host_key_line(machine.place)}\n")
    options = ["-o", f"UserKnownHostsFile={known_hosts}", "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes"]
    argv = lab.in_lan("ssh", "-F", "/dev/null", *options, f"{user}@{machine.place.address}", command)
    return argv, {**os.environ, "SSH_AUTH_SOCK": str(lab.agent_socket)}


def ssh(lab: Lab, machine: Machine, user: str, command: str, known_hosts: Path) -> subprocess.CompletedProcess[str]:
    argv, environment = ssh_command(lab, machine, user, command, known_hosts)
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
