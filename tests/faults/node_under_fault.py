"""The node that faults are injected into: a bare machine that looks like a K3s node, with a user's own files."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from components.config.model import StackConfig
from components.config.parse import parse
from components.nodes.script import TRUST, command, render
from components.nodes.trust import settings
from lab.disks import PI
from lab.host_keys import host_key_line
from lab.kinds import DEFAULT_DATA_DIR
from lab.machines import Machine
from lab.tests.waiting import wait_until
from tests.authority import Authority, new_authority
from tests.config.stack_configs import ED25519
from tests.faults.gate import PORT, Gate
from tests.faults.snapshot import Entry, inside, restore, snapshot
from tests.faults.steps import OnStep, Step

HOST = "registry.cube.local"
PORT_OF_REGISTRY = 5000
REGISTRY = f"{HOST}:{PORT_OF_REGISTRY}"
ADDRESS = "10.77.0.202"
AGENT = f"{DEFAULT_DATA_DIR}/agent"
"""The same on every machine, whatever its kind: a step is known by its paths."""
CERTS = f"{AGENT}/etc/containerd/certs.d"
CONFIG = f"{AGENT}/etc/containerd/config.toml"
HOSTS_TOML = f"{CERTS}/{REGISTRY}/hosts.toml"
SOCKET = "/run/k3s/containerd/containerd.sock"
REGISTRIES = "/etc/rancher/k3s/registries.yaml"
STORE_PARTS = 6
"""The number of certificates in the node's own store: with few, Debian's tool does the same in a tenth of the time."""
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
"""The states that runs lead to, each from the one before it and the first from the last: a first apply, an apply with
other authorities, remove."""
K3S = (
    "#!/bin/sh\n[ \"$1\" = --version ] || exit 1\necho 'k3s version v1.34.4+k3s1 (faults)'\necho 'go version go1.26'\n"
)


@dataclass(frozen=True)
class Outcome:
    """The exit status and output that the client of a run received."""

    status: int
    stdout: str
    stderr: str

    @property
    def changed(self) -> bool:
        """Whether the run reports a change; fails the test if the run failed."""
        assert (self.status, self.stderr) == (0, ""), self
        assert re.fullmatch(r'\{"changed":(true|false),[^\n]*\}\n', self.stdout), self
        return self.stdout.startswith('{"changed":true')


@dataclass
class NodeUnderFault:
    """One machine, its gate, and a snapshot of it in each state."""

    machine: Machine
    gate: Gate
    authorities: dict[str, tuple[Authority, ...]]
    """The authorities that the node trusts in each state, by the state's name."""
    known_hosts: Path
    states: dict[str, dict[str, Entry]] = field(default_factory=dict)
    steps: dict[str, list[Step]] = field(default_factory=dict)
    """The steps of a run without faults to each state from the one before it."""
    users: list[str] = field(default_factory=lambda: ["root", "pi"])

    def furnish(self) -> None:
        """Give the machine the files of a K3s node and of its user."""
        machine = self.machine
        machine.write("/usr/local/bin/k3s", K3S, mode=0o755)
        machine.write(
            CONFIG, f'version = 3\n[plugins."io.containerd.cri.v1.images".registry]\n  config_path = "{CERTS}"\n'
        )
        machine.write(f"{AGENT}/etc/crictl.yaml", f"runtime-endpoint: unix://{SOCKET}\n")
        machine.write(REGISTRIES, USERS_REGISTRIES, mode=0o600, owner=PI)
        hosts = machine.path("/etc/hosts")
        hosts.write_text(hosts.read_text() + USERS_HOSTS)
        wanted = machine.path("/etc/ca-certificates.conf")
        parts = [line for line in wanted.read_text().splitlines() if line and line[0] not in "#!"]
        wanted.write_text("# few\n" + "".join(f"{line}\n" for line in parts[:STORE_PARTS]))
        machine.write("/usr/local/share/ca-certificates/office.crt", new_authority("the office").pem)
        machine.run(["update-ca-certificates", "--fresh"])

    @staticmethod
    def config(audit: str = "") -> StackConfig:
        """A configuration whose node nothing reads: the tests reach the machine in other ways."""
        return parse(
            {
                "hostname": HOST,
                "aliases": ["registry"],
                "ip": ADDRESS,
                "port": PORT_OF_REGISTRY,
                "nodes": {"cube01": {"host": "10.0.0.3", "hostKey": ED25519}},
                "audit": audit,
            }
        )

    def text(self, state: str) -> str:
        """The input that brings the node to a state."""
        # Like the engine, a `remove` sends the settings of the last `apply`.
        trusted = self.authorities.get(state) or self.authorities["rotated"]
        bundle = "".join(authority.pem for authority in trusted)
        return render(TRUST, settings(self.machine.name, self.config(), bundle))

    @staticmethod
    def verb(state: str) -> str:
        """The verb that leads to a state."""
        return "remove" if state == "fresh" else "apply"

    def start(self, state: str) -> subprocess.Popen[str]:
        """Start a run that brings the node to a state, with OpenSSH, alternately as root and as another user."""
        user = self.users[0]
        self.users.reverse()
        address = self.machine.place.address
        self.known_hosts.write_text(f"[{address}]:{PORT} {host_key_line(self.machine.place)}\n")
        options = {
            "UserKnownHostsFile": str(self.known_hosts),
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
            "LogLevel": "ERROR",
            # The default of current clients costs a tenth of a second of processor time.
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
        """Send the input and wait for the end; the output must not contain the user's secret."""
        stdout, stderr = process.communicate(text, timeout=120)
        assert SECRET not in stdout + stderr, "the user's password was printed"
        return Outcome(process.returncode, stdout, stderr)

    def run(self, state: str) -> Outcome:
        """Bring the node to a state without faults."""
        return self.finish(self.start(state), self.text(state))

    def watched_run(self, state: str, on_step: OnStep) -> tuple[Outcome, list[Step]]:
        """Bring the node to a state, calling `on_step` at each step; waits until every process of the run has ended."""
        with self.gate.watched(on_step) as watch:
            outcome = self.run(state)
            wait_until(watch.is_over, 60, "the end of every process of the run", pause=0.02)
        assert not [words for words in watch.arguments if any(SECRET in word for word in words)], "password in argv"
        return outcome, watch.steps

    def power_on(self) -> None:
        """Boot the machine and open its gate."""
        self.gate.close()
        self.machine.start()
        self.machine.wait_for_ssh()
        self.gate.open()

    def recover(self, state: str) -> None:
        """Restore a state from its snapshot, after a fault that the node did not survive."""
        if not self.machine.is_running():
            self.power_on()
        restore(self.machine, self.states[state])
        for path in [*inside(self.machine, "/run").glob("k3s-registry*"), *inside(self.machine, "/tmp").glob("tmp.*")]:  # noqa: S108 looked into, not written
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def learn(self) -> None:
        """Run through all states without faults, and store each state's snapshot and steps."""
        self.states["fresh"] = snapshot(self.machine)
        for state in ROUTE:
            outcome, self.steps[state] = self.watched_run(state, lambda _: 0)
            assert outcome.changed
            found = snapshot(self.machine)
            assert self.states.setdefault(state, found) == found, f"{state} is not what it was before"
