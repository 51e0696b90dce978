"""What a failed command on a node means: the provider's words name an address at most, a user needs node and remedy."""

import base64
import hashlib
import shutil
import subprocess
from functools import partial
from typing import Final

import pulumi

from components.config import Node

_SCAN_SECONDS: Final = 5


def hook(node: Node, role: str) -> pulumi.ResourceHookBinding:
    """Logs one sentence on a failure to reach the node; never asks for a retry, the provider has done those."""
    return pulumi.ResourceHookBinding(on_error=[pulumi.ErrorHook(f"{node.name}-{role}-failure", partial(_log, node))])


def _log(node: Node, failure: pulumi.ErrorHookArgs) -> bool:
    error = failure.errors[0] if failure.errors else ""
    sentence = explain(node, error, offered="")
    if sentence is not None:
        if "host key mismatch" in error:
            sentence = explain(node, error, offered=offered_host_key(node)) or sentence
        pulumi.log.error(sentence)
    return False


def explain(node: Node, error: str, *, offered: str) -> str | None:
    """One sentence on what is wrong and what to do, or None where the node itself has spoken.

    Args:
        node: the node.
        error: the provider's words.
        offered: the host key line that the server shows, where it is known.

    """
    for words, sentence in _MEANINGS.items():
        if any(word in error for word in words):
            chosen = _NEVER_CONFIGURED if node.offline else sentence
            return chosen.format(
                where=f"node {node.name} ({node.ssh.user}@{node.host}, port {node.ssh.port})",
                key=f"nodes.{node.name}",
                pinned=fingerprint(node.host_key),
                shown=fingerprint(offered) if offered else "another one",
            )
    return None


_NEVER_CONFIGURED: Final = (
    "{where}: it is marked offline, but was never configured, so there is nothing to keep; take {key} out of the "
    "configuration until the node is on"
)
_MEANINGS: Final = {
    ("host key mismatch", "no common algorithm for host key"): (
        "{where}: the configuration pins host key {pinned}, the server shows {shown}; another machine may answer; "
        "compare with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the node's own console before you correct "
        "{key}.hostKey"
    ),
    ("unable to authenticate",): (
        "{where}: the SSH server takes none of our keys; put the public key into that user's authorized_keys, or "
        "correct sshPrivateKey, or load the key into the agent that SSH_AUTH_SOCK names"
    ),
    ("connection refused",): "{where}: nothing listens there; start sshd on the node, or correct {key}.port",
    ("i/o timeout", "no route to host", "no such host"): (
        "{where}: no answer; switch the node on, correct {key}.host, or set {key}.offline to true to leave it out "
        "until it is back"
    ),
    ("sudo: a password is required", "sudo: not found", "sudo: command not found"): (
        "{where}: `sudo -n` does not work there; install sudo and let that user run `sh` without a password"
    ),
}
"""Words of the provider (or of the login shell), and what they mean."""


def fingerprint(host_key: str) -> str:
    """The SHA-256 fingerprint of a public key line, as OpenSSH prints it."""
    digest = hashlib.sha256(base64.b64decode(host_key.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def offered_host_key(node: Node) -> str:
    """The host key line of the pinned type that the server shows now; empty where it cannot be learnt."""
    scanner = shutil.which("ssh-keyscan")
    if scanner is None:
        return ""
    kind = "ed25519" if node.host_key.startswith("ssh-ed25519") else "ecdsa"
    command = [scanner, "-T", str(_SCAN_SECONDS), "-t", kind, "-p", str(node.ssh.port), node.host]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=2 * _SCAN_SECONDS)
    except subprocess.TimeoutExpired:
        return ""
    lines = [line for line in done.stdout.splitlines() if line and not line.startswith("#")]
    return lines[0].partition(" ")[2] if lines else ""
