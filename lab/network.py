"""The LAN: a network namespace with a bridge, one further namespace per machine, and no way out.

Both ends of every veth pair are created inside namespaces, so the host's network never shows an interface of the lab.
"""

import contextlib
import ctypes
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from lab.settings import FIRST_OCTET, GATEWAY, MAX_MACHINES, NETWORK, Lab, LabError, MachineName

NETNS = Path("/run/netns")
BRIDGE = "lan0"
CLONE_NEWNET = 0x40000000


def _ip(*args: str, batch: str | None = None) -> str:
    done = subprocess.run(["ip", *args], input=batch, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"ip {' '.join(args)}: {done.stderr.strip() or f'exit code {done.returncode}'}"
        raise LabError(message)
    return done.stdout


def _alive(namespace: str) -> bool:
    """Whether the namespace can be entered; after a crash its file may exist with nothing mounted on it."""
    if not (NETNS / namespace).exists():
        return False
    return (
        subprocess.run(["nsenter", f"--net={NETNS / namespace}", "true"], capture_output=True, check=False).returncode
        == 0
    )


def _remove(namespace: str) -> None:
    path = NETNS / namespace
    subprocess.run(["ip", "netns", "del", namespace], capture_output=True, check=False)
    if path.exists():
        subprocess.run(["umount", "--lazy", str(path)], capture_output=True, check=False)
        with contextlib.suppress(OSError):
            path.unlink()


def pod_routes() -> list[str]:
    """Routes to the pods of every machine that a lab can ever have, so that adding one changes no other."""
    places = [MachineName(octet - FIRST_OCTET) for octet in range(FIRST_OCTET, FIRST_OCTET + MAX_MACHINES)]
    return [f"route replace {place.pod_network} via {place.address}" for place in places]


def create_lan(lab: Lab) -> None:
    """Create the LAN namespace with its bridge, unless it exists."""
    if _alive(lab.lan_namespace):
        return
    _remove(lab.lan_namespace)
    _ip("netns", "add", lab.lan_namespace)
    lines = [
        "link set lo up",
        f"link add {BRIDGE} type bridge forward_delay 0",
        f"addr add {GATEWAY}/{NETWORK.prefixlen} dev {BRIDGE}",
        f"link set {BRIDGE} up",
        *pod_routes(),
    ]
    _ip("-n", lab.lan_namespace, "-batch", "-", batch="\n".join(lines))


def create_port(lab: Lab, place: MachineName) -> None:
    """Create the machine's namespace with `eth0` on the LAN, unless it exists."""
    namespace = lab.machine_namespace(place.name)
    if _alive(namespace):
        return
    remove_port(lab, place.name)
    _ip("netns", "add", namespace)
    lan = [
        f"link add {place.name} type veth peer name eth0 netns {namespace}",
        f"link set {place.name} master {BRIDGE} up",
    ]
    _ip("-n", lab.lan_namespace, "-batch", "-", batch="\n".join(lan))
    own = pod_routes()
    own.pop(place.index)
    lines = [
        "link set lo up",
        f"addr add {place.address}/{NETWORK.prefixlen} dev eth0",
        "link set eth0 up",
        f"route replace default via {GATEWAY}",
        *own,
    ]
    _ip("-n", namespace, "-batch", "-", batch="\n".join(lines))
    forwarding = ["nsenter", f"--net={NETNS / namespace}", "sysctl", "-qw", "net.ipv4.ip_forward=1"]
    subprocess.run(forwarding, check=True, capture_output=True)


def remove_port(lab: Lab, machine: str) -> None:
    """Remove the machine's namespace and its interface on the LAN; harmless when there are none."""
    _remove(lab.machine_namespace(machine))
    # The kernel frees a namespace in the background; until then the interface's name would be in use.
    subprocess.run(["ip", "-n", lab.lan_namespace, "link", "del", machine], capture_output=True, check=False)


def namespaces(lab: Lab) -> list[str]:
    """The names of the lab's network namespaces."""
    if not NETNS.is_dir():
        return []
    return sorted(path.name for path in NETNS.iterdir() if path.name.startswith(lab.namespace_prefix))


def lab_names() -> set[str]:
    """The names of all labs that have a network namespace."""
    if not NETNS.is_dir():
        return set()
    parts = [path.name.split("-") for path in NETNS.iterdir() if path.name.startswith("k3slab-")]
    return {words[1] for words in parts if len(words) == 3}  # noqa: PLR2004 k3slab, lab, machine


def remove_all(lab: Lab) -> None:
    """Remove every network namespace of the lab."""
    for namespace in namespaces(lab):
        _remove(namespace)


@contextlib.contextmanager
def entered(namespace: str) -> Iterator[None]:
    """Sockets that this thread opens inside the block belong to the network namespace; existing ones keep theirs.

    Raises:
        LabError: there is no such namespace.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        try:
            wanted = os.open(NETNS / namespace, os.O_RDONLY)
        except FileNotFoundError:
            message = f"network namespace {namespace} does not exist: the lab is not up"
            raise LabError(message) from None
        try:
            if libc.setns(wanted, CLONE_NEWNET):
                message = f"network namespace {namespace} cannot be entered: {os.strerror(ctypes.get_errno())}"
                raise LabError(message)
        finally:
            os.close(wanted)
        try:
            yield
        finally:
            libc.setns(before, CLONE_NEWNET)
    finally:
        os.close(before)


def answers(lab: Lab, address: str, port: int, *, expect: bytes = b"", seconds: float = 1.0) -> bool:
    """Whether a server on the LAN accepts a TCP connection and sends `expect` first."""
    with entered(lab.lan_namespace):
        try:
            with socket.create_connection((address, port), timeout=seconds) as link:
                return not expect or link.recv(len(expect)) == expect
        except OSError:
            return False
