"""Who we are and whom we trust, on one SSH connection, with the outcomes worded as Go's x/crypto words them."""

import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import asyncssh
from asyncssh.packet import SSHPacket

from lab.plugins.server import PluginError

_METHODS: Final = ("publickey", "password", "keyboard-interactive")
_HOST_KEY_TYPES: Final = re.compile(r"(ssh-(ed25519|rsa|dss)|ecdsa-sha2-\S+|sk-\S+@openssh\.com)")
_COOKIE_BYTES: Final = 16


@dataclass(frozen=True)
class HostKey:
    """The one key a server may show."""

    kind: str
    key: asyncssh.SSHKey


@dataclass(frozen=True)
class Credentials:
    """What a connection offers, and the pinned host key. The key comes first, then the password, then the agent."""

    user: str
    key: asyncssh.SSHKey | None
    password: str | None
    agent_keys: Callable[[], Awaitable[Sequence[asyncssh.SSHKeyPair]]] | None
    pinned: HostKey | None


def private_key(text: str, password: str | None) -> asyncssh.SSHKey:
    """The client key in `text`.

    Raises:
        PluginError: without any part of the key.
    """
    try:
        return asyncssh.import_private_key(text, password)
    except asyncssh.KeyImportError as error:
        protected = "passphrase must be specified" in str(error).lower()
        message = "ssh: this private key is passphrase protected" if protected else "ssh: no key found"
        raise PluginError(message) from error
    except asyncssh.KeyEncryptionError as error:
        message = "x509: decryption password incorrect"
        raise PluginError(message) from error


def host_key(text: str) -> HostKey:
    """The first key in `text`, read as an authorized_keys file: whatever stands before the key counts as options.

    Raises:
        PluginError: there is none.
    """
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        for kind, data in pairwise(words[:3]):
            if _HOST_KEY_TYPES.fullmatch(kind) and _names(data, kind):
                try:
                    return HostKey(kind, asyncssh.import_public_key(f"{kind} {data}"))
                except asyncssh.KeyImportError:
                    continue
    message = "failed to parse host key: ssh: no key found"
    raise PluginError(message)


def _names(data: str, kind: str) -> bool:
    try:
        wire = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return False
    return wire[4 : 4 + int.from_bytes(wire[:4])] == kind.encode()


class Authentication(asyncssh.SSHClient):
    """Answers one server's questions and remembers which methods it was asked for."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._attempted = ["none"]
        self._connection: asyncssh.SSHClientConnection | None = None

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        """Keep the connection for `explain`."""
        self._connection = conn

    def options(self) -> dict[str, Any]:
        """Options of `asyncssh.connect`: ours alone, nothing of the user's SSH settings, keys or known hosts."""
        pinned = self._credentials.pinned
        return {
            "client_factory": lambda: self,
            "username": self._credentials.user,
            "config": None,
            "client_keys": None,
            "agent_path": None,
            "gss_host": None,
            "preferred_auth": list(_METHODS),
            "known_hosts": ([pinned.key], [], []) if pinned else None,
            # x/crypto asks for the pinned key's type by name, which for RSA means SHA-1 signatures.
            "server_host_key_algs": [pinned.kind] if pinned else (),
            # As upstream: a server that accepts and then says nothing is waited for without end.
            "login_timeout": 0,
        }

    def explain(self, error: Exception) -> str:
        """`error` of a handshake in the words of x/crypto."""
        if isinstance(error, asyncssh.HostKeyNotVerifiable):
            return "ssh: host key mismatch"
        if isinstance(error, asyncssh.PermissionDenied):
            tried = " ".join(self._attempted)
            return f"ssh: unable to authenticate, attempted methods [{tried}], no supported methods remain"
        pinned, offered = self._credentials.pinned, self._offered_host_keys()
        if pinned and offered and pinned.kind not in offered:
            theirs = " ".join(f'"{name}"' for name in offered)
            return f'ssh: no common algorithm for host key; we offered: ["{pinned.kind}"], peer offered: [{theirs}]'
        if isinstance(error, asyncssh.ConnectionLost):
            return "EOF"
        if isinstance(error, OSError):
            return (error.strerror or str(error)).lower()
        return f"ssh: {getattr(error, 'reason', error)}"

    async def public_key_auth_requested(self) -> Sequence[Any] | None:
        """The private key, or the agent's keys where there is none: x/crypto takes one source of keys only."""
        if not self._first("publickey"):
            return None
        if self._credentials.key is not None:
            return [self._credentials.key]
        return list(await self._credentials.agent_keys()) if self._credentials.agent_keys else None

    def password_auth_requested(self) -> str | None:
        """The password, once."""
        return self._credentials.password if self._first("password") else None

    def kbdint_auth_requested(self) -> str | None:
        """Take part, once, if there is a password to give."""
        return "" if self._first("keyboard-interactive") else None

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> Sequence[str]:
        """The password to every question."""
        del name, instructions, lang
        return [self._credentials.password or ""] * len(prompts)

    def _offered_host_keys(self) -> list[str]:
        # asyncssh does not look for a common host key algorithm: the peer ends the connection, and all that asyncssh
        # reports is that. The peer's own list is in its first message.
        sent = getattr(self._connection, "_server_kexinit", b"")
        if not sent:
            return []
        packet = SSHPacket(sent)
        packet.get_bytes(1 + _COOKIE_BYTES)
        packet.get_namelist()  # key exchange methods
        return [name.decode() for name in packet.get_namelist()]

    def _first(self, method: str) -> bool:
        ours = self._credentials
        have = (
            ours.key is not None or ours.agent_keys is not None if method == "publickey" else ours.password is not None
        )
        if not have or method in self._attempted:
            return False
        self._attempted.append(method)
        return True
