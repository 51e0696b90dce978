"""Host keys of SSH servers: scanned by OpenSSH's own tools, and compared with what OpenSSH knows already."""

import shlex
import subprocess
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from components.config.nodes import Proxy
from ops.failure import OpsError

_SECONDS: Final = 5
_STANDARD_PORT: Final = 22
_KINDS: Final = "ed25519,ecdsa,rsa"
"""RSA cannot be pinned; it is asked for so that a server with nothing else gets the reason."""
CONSOLE: Final = "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"
"""Shows a node's fingerprint on its own console; for an ECDSA key, the file has that name."""


class Known(StrEnum):
    """What OpenSSH's known_hosts say about a key."""

    SAME = "same key"
    UNKNOWN = "unknown"
    OTHER = "another key"


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where an SSH server answers."""

    host: str
    port: int = _STANDARD_PORT

    def __str__(self) -> str:
        """As OpenSSH writes it in known_hosts."""
        return self.host if self.port == _STANDARD_PORT else f"[{self.host}]:{self.port}"


def scan(servers: Collection[Server], jump: Proxy | None) -> dict[Server, list[str]]:
    """Every key that each server offers, the preferred one first; none from a server that does not answer.

    ssh-keyscan cannot pass through a jump host, so where the stack has one, it is called there.
    """
    found: dict[Server, list[str]] = {server: [] for server in servers}
    for port in sorted({server.port for server in servers}):
        hosts = sorted({server.host for server in servers if server.port == port})
        command = ["ssh-keyscan", "-T", str(_SECONDS), "-p", str(port), "-t", _KINDS, *hosts]
        if jump is not None:
            command = ["ssh", "-p", str(jump.port), f"{jump.user}@{jump.host}", shlex.join(command)]
        for line in _run(command, of_jump_host=jump is not None).splitlines():
            name, _, key = line.partition(" ")
            host = name.removeprefix("[").partition("]:")[0]
            if not name.startswith("#") and (server := Server(host=host, port=port)) in found:
                found[server].append(key.strip())
    return {server: sorted(keys, key=_preference) for server, keys in found.items()}


def known(server: Server, name: str, key: str) -> Known:
    """What the known_hosts of this computer say about a server's key; a node may be known by its name too."""
    files = ssh_settings(server, "userknownhostsfile", "globalknownhostsfile")
    by_address = _known_keys(str(server), files)
    if key in by_address or key in _known_keys(name, files):
        return Known.SAME
    kinds = {one.split()[0] for one in by_address}
    return Known.OTHER if key.split(maxsplit=1)[0] in kinds else Known.UNKNOWN


def silence(server: Server, jump: Proxy | None) -> str:
    """Why a server may not have answered, and what to do."""
    through = ssh_settings(server, "proxyjump", "proxycommand") if jump is None else []
    if through:
        return (
            f"no answer at {server} without the jump host of your ssh configuration ({' '.join(through)}), which the "
            "program does not read: set ssh.proxy"
        )
    beyond = f" through {jump.host}" if jump is not None else ""
    return f"no SSH server answered at {server}{beyond} within {_SECONDS} s"


def ssh_settings(server: Server, *keys: str) -> list[str]:
    """The words of some of the settings with which this user's ssh would connect.

    Raises:
        OpsError: OpenSSH does not accept its configuration.

    """
    done = _finished(["ssh", "-G", "-p", str(server.port), server.host])
    if done.returncode:
        # OpenSSH names file, line and word itself.
        message = f"your ssh configuration cannot be read: {done.stderr.strip()}; `ssh -G {server.host}` must work"
        raise OpsError(message)
    pairs = (line.partition(" ") for line in done.stdout.splitlines())
    return [word for key, _, value in pairs if key in keys and value != "none" for word in value.split()]


def _preference(key: str) -> int:
    return ("ssh-ed25519", "ecdsa", "ssh-rsa").index(key.partition("-sha2-")[0].split()[0])


def _known_keys(name: str, files: Sequence[str]) -> set[str]:
    """The keys that these files have for a host; ssh-keygen reads hashed names too."""
    found: set[str] = set()
    for file in files:
        done = subprocess.run(["ssh-keygen", "-F", name, "-f", file], capture_output=True, text=True, check=False)
        lines = [line.split() for line in done.stdout.splitlines() if not line.startswith(("#", "@"))]
        found |= {" ".join(fields[1:3]) for fields in lines}
    return found


def _run(command: Sequence[str], *, of_jump_host: bool) -> str:
    done = _finished(command)
    # ssh-keyscan ends with 1 where any host is silent, and ssh with the status of its command.
    if of_jump_host and done.returncode > 1:
        message = (
            f"the jump host could not scan the nodes' host keys: {done.stderr.strip()}; ssh-keyscan runs there, since "
            f"it cannot pass through one; `{shlex.join(command)}` must work"
        )
        raise OpsError(message)
    return done.stdout


def _finished(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        message = f"{command[0]} is not on PATH: install OpenSSH's client"
        raise OpsError(message) from None
