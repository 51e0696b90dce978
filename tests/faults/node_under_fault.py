"""A node that faults are put into: a bare machine that looks like K3s's, with its user's files and Debian's store."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from components import nodes
from components.node_script import command, render
from lab.machines import PI, Machine
from lab.pki import host_key_line
from lab.tests.waiting import wait_until
from tests.faults.gate import PORT, Gate
from tests.faults.snapshot import Entry, inside, restore, snapshot
from tests.faults.steps import OnStep, Step
from tests.node.authority import Authority, new_authority

REGISTRY = "registry.cube.local:5000"
ADDRESS = "10.77.0.202"
AGENT = "/var/lib/rancher/k3s/agent"
CERTS = f"{AGENT}/etc/containerd/certs.d"
CONFIG = f"{AGENT}/etc/containerd/config.toml"
HOSTS_TOML = f"{CERTS}/{REGISTRY}/hosts.toml"
REGISTRIES = "/etc/rancher/k3s/registries.yaml"
STORE_PARTS = 6
"""Certificates that the node's own store has: Debian's tool does all that it does, in a tenth of the time."""
SECRET = "wachtwoord-of-the-user"
USERS_REGISTRIES = f"""\
# kept by hand: ask before you change it
mirrors:
  docker.io:   # the office's
    endpoint: ["https://mirror.example:5000"]
configs:
  "mirror.example:5000":
    auth:
      username: node
      password: {SECRET}   # of this node alone

"""
USERS_HOSTS = "\n# the office\n192.0.2.7\tmirror.example mirror\n"
ROUTE = ("two", "rotated", "fresh")
"""The ways that runs go, each from the state before it and the first from the last: a first apply, one of other
authorities, remove. So the end of one is the begin of the next."""
K3S = (
    "#!/bin/sh\n[ \"$1\" = --version ] || exit 1\necho 'k3s version v1.34.4+k3s1 (faults)'\necho 'go version go1.26'\n"
)


@dataclass(frozen=True)
class Outcome:
    """What the client of a run saw."""

    status: int
    stdout: str
    stderr: str

    @property
    def changed(self) -> bool:
        """Whether the run says that it changed something; fails the test when it did not end well."""
        assert (self.status, self.stderr) == (0, ""), self
        assert re.fullmatch(r'\{"changed":(true|false),[^\n]*\}\n', self.stdout), self
        return self.stdout.startswith('{"changed":true')


@dataclass
class NodeUnderFault:
    """One machine, its gate, and what it looks like in each state that it is brought to."""

    machine: Machine
    gate: Gate
    authorities: dict[str, tuple[Authority, ...]]
    """By the name of the state in which they are trusted."""
    known_hosts: Path
    states: dict[str, dict[str, Entry]] = field(default_factory=dict)
    steps: dict[str, list[Step]] = field(default_factory=dict)
    """Those of an undisturbed run to a state from the one before it."""
    users: list[str] = field(default_factory=lambda: ["root", "pi"])

    def furnish(self) -> None:
        """Make it a node of its user's."""
        machine = self.machine
        machine.write("/usr/local/bin/k3s", K3S, mode=0o755)
        machine.write(
            CONFIG, f'version = 3\n[plugins."io.containerd.cri.v1.images".registry]\n  config_path = "{CERTS}"\n'
        )
        machine.write(REGISTRIES, USERS_REGISTRIES, mode=0o600, owner=PI)
        hosts = machine.path("/etc/hosts")
        hosts.write_text(hosts.read_text() + USERS_HOSTS)
        wanted = machine.path("/etc/ca-certificates.conf")
        parts = [line for line in wanted.read_text().splitlines() if line and line[0] not in "#!"]
        wanted.write_text("# few\n" + "".join(f"{line}\n" for line in parts[:STORE_PARTS]))
        machine.write("/usr/local/share/ca-certificates/office.crt", new_authority("the office").pem)
        machine.run(["update-ca-certificates", "--fresh"])

    @staticmethod
    def trust(audit: str = "") -> nodes.Trust:
        """What the program tells every node."""
        names = ("registry.cube.local", "registry")
        return nodes.Trust(registry=REGISTRY, address=ADDRESS, names=names, system_trust=True, audit=audit)

    def text(self, state: str) -> str:
        """What is sent to bring the node to a state."""
        # A `remove` is sent with the settings of the last `apply`, as the engine does.
        trusted = self.authorities.get(state) or self.authorities["rotated"]
        bundle = "".join(authority.pem for authority in trusted)
        return render("trust.sh", nodes.settings(self.machine.name, self.trust(), bundle))

    @staticmethod
    def verb(state: str) -> str:
        """By which verb a state is reached."""
        return "remove" if state == "fresh" else "apply"

    def start(self, state: str) -> subprocess.Popen[str]:
        """Begin a run that brings the node to a state, by OpenSSH's client, as root and as another user by turns."""
        user = self.users[0]
        self.users.reverse()
        address = self.machine.place.address
        self.known_hosts.write_text(f"[{address}]:{PORT} {host_key_line(self.machine.place)}\n")
        options = {
            "UserKnownHostsFile": str(self.known_hosts),
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
            "LogLevel": "ERROR",
            # The default of today's clients costs a tenth of a second of computing.
            "KexAlgorithms": "curve25519-sha256",
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return subprocess.Popen(
            self.machine.lab.in_lan(
                "ssh", "-F", "/dev/null", "-p", str(PORT), *words, f"{user}@{address}", command(self.verb(state))
            ),
            env={**os.environ, "SSH_AUTH_SOCK": str(self.machine.lab.agent_socket)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, process: subprocess.Popen[str], text: str | None) -> Outcome:
        """Send the text and wait for the end; the user's secret must not be in what is printed."""
        stdout, stderr = process.communicate(text, timeout=120)
        assert SECRET not in stdout + stderr, "the user's password was printed"
        return Outcome(process.returncode, stdout, stderr)

    def run(self, state: str) -> Outcome:
        """Bring the node to a state, undisturbed."""
        return self.finish(self.start(state), self.text(state))

    def watched_run(self, state: str, on_step: OnStep) -> tuple[Outcome, list[Step]]:
        """Bring the node to a state with a gate that does something at each step; waits for all of the run to end."""
        with self.gate.watched(on_step) as watch:
            outcome = self.run(state)
            wait_until(watch.is_over, 60, "the end of every process of the run", pause=0.02)
        assert not [words for words in watch.arguments if any(SECRET in word for word in words)], "password in argv"
        return outcome, watch.steps

    def power_on(self) -> None:
        """Boot the machine again and open its gate."""
        self.gate.close()
        self.machine.start()
        self.machine.wait_for_ssh()
        self.gate.open()

    def recover(self, state: str) -> None:
        """Have the node in a state by force, after a fault that it did not survive."""
        if not self.machine.is_running():
            self.power_on()
        restore(self.machine, self.states[state])
        for path in [*inside(self.machine, "/run").glob("k3s-registry*"), *inside(self.machine, "/tmp").glob("tmp.*")]:  # noqa: S108 looked into, not written
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def learn(self) -> None:
        """Go round undisturbed, and keep what the node looks like in each state and how it got there."""
        self.states["fresh"] = snapshot(self.machine)
        for state in ROUTE:
            outcome, self.steps[state] = self.watched_run(state, lambda _: 0)
            assert outcome.changed
            found = snapshot(self.machine)
            assert self.states.setdefault(state, found) == found, f"{state} is not what it was before"
