"""The bench's machines: bare, but with the files that the program expects on a node, and python3 for ansible."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bench import machine_layers
from bench.node_stack import Address
from lab import lifecycle
from lab.host_keys import host_key_line
from lab.kinds import DEFAULT_DATA_DIR
from lab.machines import Machine, machines
from lab.settings import Lab, LabError

CONTAINERD = f"{DEFAULT_DATA_DIR}/agent/etc/containerd"
"""No K3s runs on these machines and none says where its data is."""
NANOSECONDS, MICROSECONDS = 1e9, 1e6


@dataclass(frozen=True)
class Site:
    """The bench's lab: starts its machines, reaches them over SSH and reads their counters."""

    lab: Lab

    def up(self, count: int, *, python: bool) -> None:
        """Start `count` machines that look like nodes; with `python`, ansible can configure them.

        Raises:
            LabError: they do not start; the message says where to look.
        """
        lifecycle.up(self.lab, count=count, bare=True, over=machine_layers.ensure(python=python))
        for machine in self.machines(count):
            machine.write(
                f"{CONTAINERD}/config.toml",
                f'[plugins."io.containerd.cri.v1.images".registry]\nconfig_path = "{CONTAINERD}/certs.d"\n',
            )
        lines = [f"{m.place.address} {host_key_line(m.place)}\n" for m in self.machines(count)]
        self.known_hosts.write_text("".join(lines))

    def down(self) -> None:
        """Remove the machines."""
        lifecycle.down(self.lab)

    @property
    def known_hosts(self) -> Path:
        """The machines' host keys, for OpenSSH's client."""
        return self.lab.state / "known_hosts"

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment, with the lab's SSH agent."""
        return {**os.environ, "SSH_AUTH_SOCK": str(self.lab.agent_socket)}

    def machines(self, count: int) -> list[Machine]:
        """The first `count` machines."""
        return machines(self.lab)[:count]

    def addresses(self, count: int) -> list[Address]:
        """The first `count` machines as nodes of a stack."""
        return [
            Address(name=m.name, host=m.place.address, port=22, host_key=host_key_line(m.place))
            for m in self.machines(count)
        ]

    def each(self, machines: Sequence[Machine], command: Sequence[str], stdin: str | None = None) -> list[str]:
        """Run `command` on all machines at once, without SSH, and return the output of each."""
        with ThreadPoolExecutor(max_workers=len(machines)) as pool:
            return list(pool.map(lambda machine: machine.run(command, stdin=stdin).stdout, machines))

    def cpu(self, machines: Sequence[Machine]) -> float:
        """Processor seconds that these machines have used since they were started."""
        return sum(_cpu(machine) for machine in machines)

    def accepted(self, machines: Sequence[Machine]) -> list[int]:
        """How many SSH connections each machine's sshd has accepted, according to its log."""
        count = "journalctl --sync; journalctl --quiet --no-pager --unit ssh | grep -c 'Accepted publickey' || :"
        return [int(text) for text in self.each(machines, ["sh", "-c", count])]


def _cpu(machine: Machine) -> float:
    for folder in machine.group.folders():
        if (folder / "cpuacct.usage").exists():
            return int((folder / "cpuacct.usage").read_text()) / NANOSECONDS
        if (folder / "cpu.stat").exists():
            fields = dict(line.split() for line in (folder / "cpu.stat").read_text().splitlines())
            if "usage_usec" in fields:
                return int(fields["usage_usec"]) / MICROSECONDS
    message = f"{machine.name}: no cgroup counts its processor time (cpuacct on cgroup v1, cpu on v2)"
    raise LabError(message)


def ssh(site: Site, machine: Machine, command: str) -> list[str]:
    """The command line of OpenSSH's client, without the user's own settings."""
    options = {
        "BatchMode": "yes",
        "GlobalKnownHostsFile": "/dev/null",
        "UserKnownHostsFile": str(site.known_hosts),
        "StrictHostKeyChecking": "yes",
        # Go's SSH library uses this algorithm too; OpenSSH's first choice costs the client ten times as much.
        "KexAlgorithms": "curve25519-sha256",
    }
    words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    return site.lab.in_lan("ssh", "-F", "/dev/null", *words, f"root@{machine.place.address}", command)


def run_together(commands: Mapping[str, tuple[list[str], IO[Any]]], environment: Mapping[str, str]) -> list[str]:
    """Run commands at the same time, each with its standard input, and return the output of each.

    Args:
        commands: each command and its input, by a name for messages.
        environment: the environment of all commands.

    Raises:
        LabError: a command failed; the message holds its output.
    """
    started = {
        name: subprocess.Popen(
            command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        for name, (command, stdin) in commands.items()
    }
    printed = []
    for name, process in started.items():
        out, err = process.communicate()
        if process.returncode:
            message = f"{name}: ended with {process.returncode}: {err.strip()[-1000:]}"
            raise LabError(message)
        printed.append(out)
    return printed
