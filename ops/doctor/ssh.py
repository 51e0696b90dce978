"""How OpenSSH's client reaches a node: with its own configuration, and what the stack pins.

Where the stack configures something (user, port, host key, jump host, private key), that counts, as for `pulumi up`;
everything else is OpenSSH's: `Host` blocks, ProxyJump, identities, the agent.
"""

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from components.config.nodes import Proxy
from components.nodes import script, unreachable
from ops.doctor.checks import HOST_KEY, REACHABLE
from ops.doctor.targets import Asked, Target
from ops.failure import OpsError

_ALWAYS: Final = (
    "BatchMode=yes",  # a question would wait for ever
    "StrictHostKeyChecking=yes",
    "UpdateHostKeys=no",  # nothing is written on this computer either
    "LogLevel=ERROR",  # no banners
    "ForwardAgent=no",
    "RemoteCommand=none",
    "ClearAllForwardings=yes",
    "ServerAliveInterval=5",
    "ConnectTimeout=10",
)
_HOST_KEY: Final = "host key mismatch"
_WORDS: Final = {
    re.compile(pattern, re.IGNORECASE): words
    for pattern, words in {
        r"Host key verification failed|no matching host key type": _HOST_KEY,
        r"Too many authentication failures": "Too many authentication failures",
        r"Permission denied \(": "unable to authenticate",
        r"Could not resolve hostname (.*)": r"dial tcp: lookup \1",
        r"connect to host .*: Connection refused": "dial tcp x: connection refused",
        r"connect to host \S+ port \d+: (.*)": r"dial tcp x: \1",
        r"((?:Connection|kex_exchange|banner|ssh_dispatch).*)": r"handshake failed: \1",
    }.items()
}
"""OpenSSH's words for what the command provider says otherwise: one table of sentences serves both."""
_NOT_OPENED: Final = re.compile(r"open failed: (.*)")
_NO_AGENT: Final = 2
"""The exit status of `ssh-add` where the agent does not answer, as it does not in its first moments."""
_FAILED: Final = 255
"""The exit status of OpenSSH's client where it did not come as far as the command."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """What is pinned for one run: files in a directory of this computer that exists as long as it."""

    known_hosts: Path
    agent: Path | None

    def command(self, target: Target, user: str | None) -> list[str]:
        """The command that reads a node's script from its standard input."""
        node = target.node
        if node is None:
            login = [] if user is None or "@" in target.name else ["-l", user]
            return [*_ssh(_ALWAYS), *login, "--", target.name, script.command("look")]
        jump = [] if node.ssh.proxy is None else [f"ProxyCommand={self._jump(node.ssh.proxy, node.name)}"]
        reached = ["-l", node.ssh.user, "-p", str(node.ssh.port), "--", node.host]
        return [*_ssh((*_ALWAYS, *self._pinned(node.name), *jump)), *reached, script.command("look")]

    def jump_said(self, target: Target) -> str:
        """What the client that goes to the stack's jump host reported for this node."""
        log = self._jump_log(target.name)
        return log.read_text(encoding="utf-8", errors="replace").strip() if log.exists() else ""

    def _jump_log(self, name: str) -> Path:
        return self.known_hosts.with_name(f"jump.{name}")

    def _jump(self, proxy: Proxy, name: str) -> str:
        reached = ["-l", proxy.user, "-p", str(proxy.port), "-W", "[%h]:%p", "--", proxy.host]
        # A log of its own tells its errors from the node's; -W is a forwarding.
        apart = ("LogLevel", "ClearAllForwardings")
        options = [option for option in _ALWAYS if option.partition("=")[0] not in apart]
        log = ["-E", str(self._jump_log(name))]
        return shlex.join([*_ssh((*options, *self._pinned(_JUMP))), *log, *reached])

    def _pinned(self, name: str) -> tuple[str, ...]:
        return (
            f"UserKnownHostsFile={self.known_hosts}",
            "GlobalKnownHostsFile=/dev/null",
            f"HostKeyAlias={name}",
            "CheckHostIP=no",
            "ControlPath=none",  # a connection that is open already was checked against other keys
            *([] if self.agent is None else [f"IdentityAgent={self.agent}", "IdentitiesOnly=no"]),
        )


_JUMP: Final = "ssh.proxy"
"""The jump host's name in known_hosts, which no node can have."""


@contextlib.contextmanager
def way(asked: Asked) -> Iterator[Way]:
    """Pin what the stack pins, as long as the block runs."""
    nodes = [target.node for target in asked.targets if target.node is not None]
    lines = [f"{node.name} {node.host_key}\n" for node in nodes]
    lines += sorted({f"{_JUMP} {node.ssh.proxy.host_key}\n" for node in nodes if node.ssh.proxy is not None})
    # Not TMPDIR: a socket's path has at most 107 characters.
    with tempfile.TemporaryDirectory(prefix="doctor-", dir="/tmp") as name:
        known_hosts = Path(name) / "known_hosts"
        known_hosts.write_text("".join(lines), encoding="utf-8")
        if not asked.private_key:
            yield Way(known_hosts=known_hosts, agent=None)
            return
        with _agent(Path(name) / "agent", asked.private_key) as socket:
            yield Way(known_hosts=known_hosts, agent=socket)


@contextlib.contextmanager
def _agent(socket: Path, private_key: str) -> Iterator[Path]:
    """An agent of this run's own, since the stack's private key must reach no file."""
    if shutil.which("ssh-agent") is None or shutil.which("ssh-add") is None:
        message = "ssh-agent or ssh-add is not on PATH: the stack's key goes there; install them (openssh-client)"
        raise OpsError(message)
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL) as agent:
        try:
            for _ in range(100):
                done = subprocess.run(
                    ["ssh-add", "-q", "-"],
                    input=private_key.rstrip("\n") + "\n",
                    env={**os.environ, "SSH_AUTH_SOCK": str(socket)},
                    capture_output=True,
                    text=True,
                    check=False,
                )
                if done.returncode != _NO_AGENT:
                    break
                time.sleep(0.05)
            if done.returncode:
                message = f"ssh-add does not accept sshPrivateKey ({done.stderr.strip()}); set a key that it accepts"
                raise OpsError(message)
            yield socket
        finally:
            agent.terminate()


def _ssh(options: tuple[str, ...]) -> list[str]:
    return ["ssh", "-T", *(word for option in options for word in ("-o", option))]


def explain(target: Target, status: int, error: str, jump_said: str) -> tuple[str, str]:
    """Why a node gave no answer: the check that failed, and `up`'s sentence for it, without the node's name."""
    said = error.strip().splitlines() or [f"status {status}"]
    node = target.node
    if status != _FAILED:
        # The command ran: sudo, the login shell or the script itself said why not.
        text = f"Process exited with status {status}: {error}"
        sentence = None if node is None else unreachable.explain(node, text, offered="")
        return REACHABLE, _without_name(sentence or said[-1], target.name)
    text = _as_the_provider_says(error, jump_said)
    is_host_key = text == _HOST_KEY
    if node is None:
        sentence = (
            f"`ssh {target.name}` does not log in by itself ({said[-1].strip()}); no question can be answered here; "
            "make that command work first, with a key and a known host key"
        )
    else:
        offered = unreachable.offered_host_key(node) if is_host_key else ""
        sentence = unreachable.explain(node, text, offered=offered) or said[-1]
    return HOST_KEY if is_host_key else REACHABLE, _without_name(sentence, target.name)


def _as_the_provider_says(error: str, jump_said: str) -> str:
    if jump_said:
        refused = _NOT_OPENED.search(jump_said)
        return f"rejected: {refused[1]}" if refused else f"dial tcp x: {jump_said.splitlines()[-1]}"
    for pattern, words in _WORDS.items():
        found = pattern.search(error)
        if found is not None:
            return found.expand(words)
    return error


def _without_name(sentence: str, name: str) -> str:
    return sentence.removeprefix(f"node {name.rpartition('@')[2]}: ").removeprefix(f"node {name} ")
