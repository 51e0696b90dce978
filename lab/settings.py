"""Names, addresses and paths of a lab and its parts. This module performs no action."""

import hashlib
import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path

from lab.kinds import Kind, kind_of

NETWORK = ipaddress.IPv4Network("10.77.0.0/24")
GATEWAY = ipaddress.IPv4Address("10.77.0.1")
POOL = "10.77.0.200-10.77.0.250"
REGISTRY_HOST = "registry.cube.local"
REGISTRY_ADDRESS = "10.77.0.202"
REGISTRY_PORT = 5000

FIRST_OCTET = 11
MAX_MACHINES = 20
DEFAULT_MACHINES = 3

DEFAULT_LAB = "dev"
STATE_ROOT = Path("/var/lib/k3s-registry-lab")
LOCKS = Path("/run/k3s-registry-lab")
PROJECT = Path(__file__).resolve().parent.parent
LAB_FOLDER = Path(__file__).resolve().parent


class LabError(Exception):
    """An error with its remedy, in one sentence; the user sees it without a stack trace."""


def cache_root() -> Path:
    """The directory for builds that are slow to create and belong to no single lab: tools, base trees, images."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "k3s-registry-lab"


@dataclass(frozen=True, slots=True)
class MachineName:
    """A machine's place in its lab: the first is the server, `control01`; the others are `cube01`, `cube02`, ..."""

    index: int

    @property
    def name(self) -> str:
        """The machine's name, which is also its node's name."""
        return "control01" if self.index == 0 else f"cube{self.index:02d}"

    @property
    def octet(self) -> int:
        """The last byte of the machine's address and the third byte of its pods' network."""
        return FIRST_OCTET + self.index

    @property
    def address(self) -> str:
        """The machine's address on the LAN."""
        return str(NETWORK.network_address + self.octet)

    @property
    def pod_network(self) -> str:
        """The network of the pods that run on this machine."""
        return f"10.42.{self.octet}.0/24"

    @property
    def is_server(self) -> bool:
        """Whether the control plane runs here."""
        return self.index == 0

    @property
    def kind(self) -> Kind:
        """The properties in which it differs from other machines."""
        return kind_of(self.index)

    @property
    def host_key_seed(self) -> bytes:
        """The 32 private bytes of the machine's ed25519 host key, the same in every lab, so that it can be pinned."""
        return hashlib.sha256(f"k3s-registry lab host key {self.name}".encode()).digest()

    @classmethod
    def parse(cls, name: str) -> "MachineName":
        """Find the place that belongs to `name`.

        Raises:
            LabError: no machine of a lab has that name.
        """
        if name == "control01":
            return cls(0)
        match = re.fullmatch(r"cube(\d\d)", name)
        if match and 0 < int(match[1]) < MAX_MACHINES:
            return cls(int(match[1]))
        message = f"machine {name!r}: a lab's machines are control01 and cube01 to cube{MAX_MACHINES - 1:02d}"
        raise LabError(message)


SERVER = MachineName(0)
API_PORT = 6443
API_URL = f"https://{SERVER.address}:{API_PORT}"


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab by its name; every namespace, cgroup, mount and folder of it carries the name."""

    name: str = DEFAULT_LAB

    def __post_init__(self) -> None:
        # No hyphen: `a` and `a-b` would otherwise claim each other's namespaces.
        if not re.fullmatch(r"[a-z][a-z0-9]{0,14}", self.name):
            message = f"lab name {self.name!r}: a lower-case letter, then at most 14 of them or digits, such as dev"
            raise LabError(message)

    @property
    def state(self) -> Path:
        """The lab's directory on a real file system; it exists from the lab's start until `down`."""
        return STATE_ROOT / self.name

    @property
    def kubeconfig(self) -> Path:
        """The cluster's admin kubeconfig, valid inside the LAN namespace."""
        return self.state / "kubeconfig"

    @property
    def agent_socket(self) -> Path:
        """The lab's own ssh-agent, which holds the only copy of the client key."""
        return self.state / "agent.sock"

    @property
    def programs(self) -> Path:
        """The directory with the cluster's command line, `kubectl`, for use on the LAN."""
        return self.state / "bin"

    @property
    def pulumi_home(self) -> Path:
        """PULUMI_HOME of the lab."""
        return self.state / "pulumi-home"

    @property
    def backend(self) -> Path:
        """The folder of the lab's file backend."""
        return self.state / "backend"

    @property
    def machines_folder(self) -> Path:
        """The directory with one subdirectory per machine."""
        return self.state / "machines"

    @property
    def namespace_prefix(self) -> str:
        """The prefix of the names of all network namespaces of this lab."""
        return f"k3slab-{self.name}-"

    @property
    def lan_namespace(self) -> str:
        """The network namespace of the LAN, with the bridge that connects all machines."""
        return self.namespace_prefix + "lan"

    @property
    def lan_namespace_path(self) -> Path:
        """The LAN's namespace as a file, for nsenter(1) and setns(2)."""
        return Path("/run/netns") / self.lan_namespace

    def machine_namespace(self, machine: str) -> str:
        """The network namespace of one machine."""
        return self.namespace_prefix + machine

    @property
    def lock(self) -> Path:
        """The file whose flock(2) keeps two commands from changing one lab at the same time."""
        # Not in /run/lock, where any user may create the file first: the kernel then refuses it even to root.
        return LOCKS / f"{self.name}.lock"

    def make(self, target: str, *variables: str) -> str:
        """The make command for this lab, as a user types it, for remedies in messages."""
        name = [] if self.name == DEFAULT_LAB else [f"LAB={self.name}"]
        return " ".join(["make", target, *name, *variables])

    def call(self, *arguments: str) -> str:
        """A command of the lab that has no make target, as a user types it in the checkout."""
        name = [] if self.name == DEFAULT_LAB else ["--name", self.name]
        return " ".join([".venv/bin/python -m lab", *name, *arguments])

    def in_lan(self, *command: str) -> list[str]:
        """The command line that runs `command` inside the LAN (`ip netns exec` would hide the cgroups)."""
        return ["nsenter", f"--net={self.lan_namespace_path}", *command]
