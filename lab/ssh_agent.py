"""The lab's own ssh-agent: its memory is the only place that holds the lab's client key."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab.cgroups import Group
from lab.settings import LAB_FOLDER, Lab, LabError

GROUP = "agent"
START_SECONDS = 5.0


def _identities(lab: Lab) -> str:
    """The public keys that the agent holds; empty when no agent answers."""
    if not lab.agent_socket.exists():
        return ""
    environment = {**os.environ, "SSH_AUTH_SOCK": str(lab.agent_socket)}
    done = subprocess.run(["ssh-add", "-L"], env=environment, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


def is_running(lab: Lab) -> bool:
    """Whether the agent's process is alive; the socket alone does not prove it."""
    return lab.agent_socket.exists() and bool(Group(lab, GROUP).processes())


def _start(lab: Lab) -> None:
    group = Group(lab, GROUP)
    group.kill()
    group.create()
    lab.agent_socket.unlink(missing_ok=True)
    ssh_agent = shutil.which("ssh-agent")
    if ssh_agent is None:
        message = "ssh-agent is missing: install openssh-client"
        raise LabError(message)
    with (lab.state / "agent.log").open("ab") as log:
        subprocess.run(
            [
                "setsid",
                "--fork",
                str(LAB_FOLDER / "in-cgroup.sh"),
                *map(str, group.folders()),
                "--",
                ssh_agent,
                "-D",
                "-a",
                str(lab.agent_socket),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd="/",
            check=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while not _listens(lab.agent_socket):
        if time.monotonic() > deadline:
            message = f"ssh-agent did not start within {START_SECONDS:.0f} s; see {lab.state}/agent.log"
            raise LabError(message)
        time.sleep(0.02)


def _listens(path: Path) -> bool:
    """Whether somebody accepts connections there: the file exists a moment before."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def ensure_agent(lab: Lab) -> str:
    """The public line of the lab's client key, from a running agent; a dead agent's key is replaced by a new one.

    Raises:
        LabError: the agent does not start or does not accept the key.
    """
    known = _identities(lab)
    if known:
        return known
    _start(lab)
    private = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    environment = {**os.environ, "SSH_AUTH_SOCK": str(lab.agent_socket)}
    done = subprocess.run(["ssh-add", "-q", "-"], input=private, env=environment, capture_output=True, check=False)
    known = _identities(lab)
    if done.returncode or not known:
        message = f"the lab's ssh-agent did not accept the client key: {done.stderr.decode(errors='replace').strip()}"
        raise LabError(message)
    return known
