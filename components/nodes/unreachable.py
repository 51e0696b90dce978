"""Turns the provider's SSH errors into one sentence with the node's name and the remedy."""

import base64
import hashlib
import shutil
import subprocess
from functools import partial
from typing import Final

import pulumi

from components.config.model import Node
from components.nodes import script

_SCAN_SECONDS: Final = 5


def hook(node: Node, role: str) -> pulumi.ResourceHookBinding:
    """A hook that logs one sentence if the node cannot be reached; it requests no retry, the provider has retried."""
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
    """The sentence that names the problem and the remedy; None if the error is a message from the node's script.

    Args:
        node: the node that the command was for.
        error: the provider's error.
        offered: the host key line that the server offers; empty if it is unknown.

    """
    if f"\nnode {node.name}: " in error:
        return None
    for parts, sentence in _MEANINGS.items():
        if any(part in error for part in parts):
            template = _NEVER_CONFIGURED if node.offline else sentence
            return template.format(
                where=f"node {node.name} ({node.ssh.user}@{node.host}, port {node.ssh.port})",
                key=f"nodes.{node.name}",
                pinned=fingerprint(node.host_key),
                shown=fingerprint(offered) if offered else "another key",
            )
    return None


_NEVER_CONFIGURED: Final = (
    "{where}: the node is marked offline, but it was never configured, so it has no former state to keep; remove {key} "
    "from the configuration until the node is on"
)
_MEANINGS: Final = {
    ("host key mismatch", "no common algorithm for host key"): (
        "{where}: the configuration pins host key {pinned}, but the server offers {shown}; another machine may be "
        "answering; compare with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the node's own console before "
        "you correct {key}.hostKey"
    ),
    ("unable to authenticate",): (
        "{where}: the SSH server accepts none of our keys; add the public key to that user's authorized_keys, or "
        "correct sshPrivateKey, or load the key into the agent that SSH_AUTH_SOCK names"
    ),
    ("connection refused",): "{where}: nothing listens at that port; start sshd on the node, or correct {key}.port",
    ("i/o timeout", "no route to host", "no such host"): (
        "{where}: found no answer; switch the node on, correct {key}.host, or set {key}.offline to true to skip the "
        "node until it is back"
    ),
    (script.NO_SUDO, "\nsudo: ", "sudo: a password is required", "sudo: not found", "sudo: command not found"): (
        "{where}: `sudo -n` does not work there; install sudo and allow that user to run `sh` without a password, or "
        "log in as root"
    ),
}
"""Parts of errors of the provider or of the login shell, and the sentence for each group of them."""


def fingerprint(host_key: str) -> str:
    """The SHA-256 fingerprint of a public key line, in the form that OpenSSH prints."""
    digest = hashlib.sha256(base64.b64decode(host_key.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def offered_host_key(node: Node) -> str:
    """The host key line of the pinned type that the server offers now; empty if it cannot be found out."""
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
