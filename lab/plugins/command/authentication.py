"""Authentication of client and server on an SSH connection, with the error messages of Go's x/crypto."""

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
    """The only host key that a server may present."""

    kind: str
    key: asyncssh.SSHKey


@dataclass(frozen=True)
class Credentials:
    """The client's credentials, tried in the order key, password, agent, and the server's pinned host key."""

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
    """The first key in `text`, read as an authorized_keys file, in which options may precede the key.

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
    """Answers the server's authentication requests and records the requested methods."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._attempted = ["none"]
        self._connection: asyncssh.SSHClientConnection | None = None

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        """Keep the connection for `explain`."""
        self._connection = conn

    def options(self) -> dict[str, Any]:
        """Options of `asyncssh.connect` that ignore the user's SSH settings, keys and known hosts."""
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
            # x/crypto requests the pinned key's type by name, which for RSA means SHA-1 signatures.
            "server_host_key_algs": [pinned.kind] if pinned else (),
            # Like upstream, this waits without limit for a server that accepts the connection but sends nothing.
            "login_timeout": 0,
        }

    def explain(self, error: Exception) -> str:
        """The message that x/crypto has for the `error` of a handshake."""
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
        """The private key, or the agent's keys if there is none: x/crypto uses only one source of keys."""
        if not self._first("publickey"):
            return None
        if self._credentials.key is not None:
            return [self._credentials.key]
        return list(await self._credentials.agent_keys()) if self._credentials.agent_keys else None

    def password_auth_requested(self) -> str | None:
        """The password, once."""
        return self._credentials.password if self._first("password") else None

    def kbdint_auth_requested(self) -> str | None:
        """Accept keyboard-interactive authentication, once, if there is a password."""
        return "" if self._first("keyboard-interactive") else None

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> Sequence[str]:
        """Answer every question with the password."""
        del name, instructions, lang
        return [self._credentials.password or ""] * len(prompts)

    def _offered_host_keys(self) -> list[str]:
        # asyncssh does not check for a common host key algorithm, so it only reports that the peer closed the
        # connection. The peer's own list is in its first message.
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
