"""Turns the provider's SSH errors into one sentence with the node's name and the remedy."""

import base64
import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Final

import pulumi

from components.config.nodes import Node
from components.nodes.command import node_name, ssh_command

_SCAN_SECONDS: Final = 5


def hook(name: str, nodes: Iterable[Node]) -> pulumi.ErrorHook:
    """A hook that logs one sentence if a node cannot be reached; it requests no retry, the provider has retried.

    The commands of all nodes share it: the SDK starts a server for every hook, and a thousand servers are more files
    than a process may usually open.
    """
    return pulumi.ErrorHook(f"{name}-failure", partial(_log, {node.name: node for node in nodes}))


def _log(nodes: Mapping[str, Node], failure: pulumi.ErrorHookArgs) -> bool:
    node, error = nodes.get(node_name(failure.name)), failure.errors[0] if failure.errors else ""
    # A node that has left the configuration is known no longer: the provider's error has to do.
    sentence = explain(node, error, offered="") if node else None
    if node and sentence is not None:
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
    if f"node {node.name}: " in error:
        return None
    template, reason = _NEVER_CONFIGURED, ""
    if not node.offline:
        template, reason = _meaning(error)
    where, key = f"node {node.name} ({node.ssh.user}@{node.host}, port {node.ssh.port})", f"nodes.{node.name}"
    proxy = node.ssh.proxy
    if proxy is not None:
        jump = f"jump host {proxy.user}@{proxy.host}, port {proxy.port}"
        where = f"{where[:-1]}, through {jump})"
        # Only the jump host is dialled from here.
        if _DIAL.search(error) is not None and template is not _NEVER_CONFIGURED:
            template, key = _NO_JUMP_HOST, "ssh.proxy"
            reason = _shown(error)
    return template.format(
        where=where,
        key=key,
        host=node.host,
        reached=ssh_command(node),
        user=node.ssh.user,
        pinned=fingerprint(node.host_key),
        shown=fingerprint(offered) if offered else "another key",
        reason=reason,
    )


def _meaning(error: str) -> tuple[str, str]:
    """The sentence for an error, and the part of the error that it shows.

    The provider's error shows how far the command came: to a key, an agent, an address, an SSH server or a shell. Each
    of these classes ends in a sentence for whatever nobody foresaw, so no list of words has to be complete.
    """
    ended = _ENDED.search(error)
    if ended is None:
        text, meanings = error, _MEANINGS
    else:
        text, meanings = ended["output"], _ENDINGS
        if ended["signal"]:
            return _KILLED, ended["signal"]
    for pattern, sentence in meanings.items():
        found = pattern.search(text)
        if found is not None:
            return sentence, _shown(found[found.lastindex or 0])
    if ended is not None:
        said = _shown(text)
        return _NO_SHELL, f"status {ended['status']}" + (f" and {said!r}" if said else "")
    return _OTHERWISE, _shown(error)


def _shown(text: str) -> str:
    """The last line of a text that may be long."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip()[:_SHOWN_CHARACTERS] if lines else ""


def _compiled(meanings: dict[str, str]) -> dict[re.Pattern[str], str]:
    return {re.compile(pattern): sentence for pattern, sentence in meanings.items()}


_SHOWN_CHARACTERS: Final = 200
_DIAL: Final = re.compile(r"^(?:after \d+ failed attempts: )?dial tcp")
_ENDED: Final = re.compile(
    r"Process exited with status (?P<status>\d+)(?: from signal (?P<signal>\w+))?"
    r"(?:: running \"(?:[^\"\\]|\\.)*\")?:?\s*(?P<output>.*)",
    re.DOTALL,
)
"""A command that began and ended: its output comes after the command line, which the provider shows in quotes."""
_NEVER_CONFIGURED: Final = (
    "{where}: the node is marked offline, but it was never configured, so it has no former state to keep; remove {key} "
    "from the configuration until the node is on"
)
_WRONG_KEY: Final = (
    "{where}: the configuration pins host key {pinned}, but the server offers {shown}; another machine may be "
    "answering; compare with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the node's own console before "
    "you correct {key}.hostKey"
)
_MEANINGS: Final = _compiled(
    {
        r"(dial unix .*)|(agent: .*)": (
            "{where}: found the SSH agent on this computer out of order ({reason}), the node was not asked; start "
            "the agent anew and load the key, or unset SSH_AUTH_SOCK and set sshPrivateKey"
        ),
        r"host key mismatch|no common algorithm for host key": _WRONG_KEY,
        r"parse host key: (.*)": (
            "{where}: the pinned host key cannot be read ({reason}), the node was not asked; set {key}.hostKey to "
            "what `ssh-keyscan -t ed25519 {host}` prints after the host name"
        ),
        r"unable to authenticate": (
            "{where}: the SSH server accepts none of our keys; add the public key to that user's authorized_keys, or "
            "correct sshPrivateKey, or load the key into the agent that SSH_AUTH_SOCK names"
        ),
        r"Too many authentication failures": (
            "{where}: the agent offered more keys than the SSH server lets one client try; remove the others from "
            "the agent (`ssh-add -D`), or unset SSH_AUTH_SOCK and set sshPrivateKey"
        ),
        r"no common algorithm for (.*)": (
            "{where}: the SSH server knows no method that we know ({reason}); upgrade the SSH server on the node, or "
            "remove what its sshd_config forbids"
        ),
        r"handshake failed: (.*)": (
            "{where}: something answers at that port, but the SSH handshake fails ({reason}); look at sshd's log on "
            "the node (`journalctl -u ssh -u sshd`) and whether it turns this computer away (MaxStartups, fail2ban, "
            "hosts.deny), or correct {key}.port"
        ),
        r"dial \w+: (lookup .*)": (
            "{where}: the name {host} cannot be looked up on this computer ({reason}); correct {key}.host, or set it "
            "to the node's address"
        ),
        r"dial tcp.* connection refused": (
            "{where}: nothing listens at that port (connection refused); start sshd on the node, or correct {key}.port"
        ),
        r"dial tcp [^ ]+: (?:connect: )?(.*)": (
            "{where}: found no answer ({reason}); switch the node on, correct {key}.host, or set {key}.offline to "
            "true to skip the node until it is back; if nothing else is reached either, look at this computer's own "
            "network"
        ),
        r"rejected: connect failed.*|rejected: (.*open failed.*)": (
            "{where}: the jump host opens no connection to the node ({reason}); switch the node on, correct "
            "{key}.host and {key}.port, or allow it in the jump host's sshd_config (AllowTcpForwarding)"
        ),
        r"rejected: (.*)": (
            "{where}: the SSH server lets us in but opens no session ({reason}); look at its sshd_config "
            "(MaxSessions, ForceCommand) and its log (`journalctl -u ssh -u sshd`)"
        ),
        r"(?:without exit status|\bEOF\b|(?:read|write) tcp).*": (
            "{where}: the connection ended while the command ran ({reason}); each file there is wholly old or new; "
            "look whether the node restarts or its network is unstable, and run `pulumi up` again"
        ),
        r"passphrase.*": (
            "{where}: sshPrivateKey is protected by a passphrase ({reason}), the node was not asked; remove it from "
            "a copy (`ssh-keygen -p -N '' -f COPY`), or unset sshPrivateKey and load the key into an SSH agent"
        ),
        r"(?i).*(?:\bkeys?\b|asn1:|x509:|padding).*": (
            "{where}: sshPrivateKey is not a private key that can be read ({reason}), the node was not asked; set it "
            "anew: `pulumi config set --secret sshPrivateKey < FILE`"
        ),
    }
)
"""Errors of the provider before a command ends, from the most to the least particular."""
_ENDINGS: Final = _compiled(
    {
        r"""(?i)please login as the user ["'\\]*([\w.-]+)""": (
            "{where}: the node wants another login name than {user}; set {key}.user to {reason}"
        ),
        r"(?im)^.*(?:account is currently not available|nologin).*$": (
            "{where}: the account {user} may not log in there ({reason}); set {key}.user to an account with a login "
            "shell, or give this one a shell (`chsh -s /bin/sh {user}`)"
        ),
        r"(?im)^.*\b(?:sudo -n does not work here|sudo(?:-rs)?:).*$": (
            "{where}: `sudo -n` does not work there ({reason}); install sudo and allow that user to run `sh` without "
            "a password, or set {key}.user to root"
        ),
    }
)
"""Output of a command in which our script did not begin."""
_NO_JUMP_HOST: Final = (
    "{where}: the jump host does not answer ({reason}), the node was not asked; start sshd there, or correct "
    "{key}.host and {key}.port"
)
_KILLED: Final = (
    "{where}: the command was ended there by signal {reason}; each file there is wholly old or new; look at the "
    "node's memory and log (`journalctl -k`), and run `pulumi up` again"
)
_NO_SHELL: Final = (
    "{where}: the login shell did not run our command, it ended with {reason}; log in by hand, and see that this "
    "prints only ok: `{reached} \"sh -c 'echo ok'\"`; give that user a POSIX shell (`chsh -s "
    "/bin/sh {user}`), or set {key}.user to another one"
)
_OTHERWISE: Final = (
    "{where}: the command could not be run there: {reason}; try `{reached}` by hand, correct "
    "{key}, or set {key}.offline to true to skip the node"
)


def fingerprint(host_key: str) -> str:
    """The SHA-256 fingerprint of a public key line, in the form that OpenSSH prints."""
    digest = hashlib.sha256(base64.b64decode(host_key.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def offered_host_key(node: Node) -> str:
    """The host key line of the pinned type that the server offers now; empty if it cannot be found out."""
    scanner = shutil.which("ssh-keyscan")
    if scanner is None or node.ssh.proxy is not None:
        return ""
    kind = "ed25519" if node.host_key.startswith("ssh-ed25519") else "ecdsa"
    command = [scanner, "-T", str(_SCAN_SECONDS), "-t", kind, "-p", str(node.ssh.port), node.host]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=2 * _SCAN_SECONDS)
    except subprocess.TimeoutExpired:
        return ""
    lines = [line for line in done.stdout.splitlines() if line and not line.startswith("#")]
    return lines[0].partition(" ")[2] if lines else ""
