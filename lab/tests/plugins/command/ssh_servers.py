"""SSH servers for the command plugin's tests: one in this process, and OpenSSH's sshd."""

import asyncio
import contextlib
import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh

from lab import base_tree
from lab.plugins.server import EngineLog
from lab.tests.ports import free_ports
from lab.tests.waiting import wait_until

SSHD_PATH = os.pathsep.join(["/usr/sbin", "/usr/local/sbin", os.environ.get("PATH", "")])


class RecordedLog(EngineLog):
    """An engine's log that records its messages."""

    def __init__(self) -> None:
        super().__init__("127.0.0.1:0")
        self.lines: list[str] = []
        self.warnings: list[str] = []

    async def info(self, message: str, urn: str, *, ephemeral: bool = False) -> None:
        del urn, ephemeral
        self.lines.append(message)

    async def warning(self, message: str, urn: str) -> None:
        del urn
        self.warnings.append(message)


def new_key(algorithm: str = "ssh-ed25519") -> asyncssh.SSHKey:
    return asyncssh.generate_private_key(algorithm)


def public_line(key: asyncssh.SSHKey) -> str:
    return key.export_public_key().decode().strip()


def private_text(key: asyncssh.SSHKey, passphrase: str | None = None) -> str:
    return key.export_private_key(passphrase=passphrase, rounds=1, ignore_few_rounds=True).decode()


@dataclass
class InProcessServer:
    """Runs each command by sh(1), accepts every variable, and counts connections."""

    host_key: asyncssh.SSHKey = field(default_factory=new_key)
    client_key: asyncssh.SSHKey = field(default_factory=new_key)
    password: str = "a password"
    port: int = 0
    opened: int = 0
    now_open: int = 0
    users: list[str] = field(default_factory=list)
    forwarded: list[tuple[str, int]] = field(default_factory=list)

    def connection(self, **fields: Any) -> dict[str, Any]:
        """The `connection` input that leads here."""
        defaults = {
            "host": "127.0.0.1",
            "port": self.port,
            "hostKey": public_line(self.host_key),
            "dialErrorLimit": 0,
            "perDialTimeout": 3,
        }
        if not {"privateKey", "password", "agentSocketPath"} & fields.keys():
            defaults["privateKey"] = private_text(self.client_key)
        return {key: value for key, value in {**defaults, **fields}.items() if value is not None}

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["InProcessServer"]:
        server = await asyncssh.create_server(
            lambda: _Connection(self),
            "127.0.0.1",
            self.port,
            server_host_keys=[self.host_key],
            process_factory=_execute,
            encoding=None,
        )
        self.port = server.get_port()
        try:
            yield self
        finally:
            server.close()
            await server.wait_closed()


class _Connection(asyncssh.SSHServer):
    def __init__(self, server: InProcessServer) -> None:
        self._server = server

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        del conn
        self._server.opened += 1
        self._server.now_open += 1

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._server.now_open -= 1

    def begin_auth(self, username: str) -> bool:
        self._server.users.append(username)
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        del username
        return key.public_data == self._server.client_key.public_data

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        del username
        return password == self._server.password

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
        del orig_host, orig_port
        self._server.forwarded.append((dest_host, dest_port))
        return True


async def _execute(process: "asyncssh.SSHServerProcess[bytes]") -> None:
    shell = await asyncio.create_subprocess_exec(
        "sh",
        "-c",
        process.command or "",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **process.env},
    )
    assert shell.stdin
    assert shell.stdout
    assert shell.stderr
    feeding = asyncio.create_task(_feed(process.stdin, shell.stdin))
    await asyncio.gather(_copy(shell.stdout, process.stdout), _copy(shell.stderr, process.stderr))
    status = await shell.wait()
    feeding.cancel()
    await asyncio.wait([feeding])
    process.exit(status)


async def _copy(source: asyncio.StreamReader, target: "asyncssh.SSHWriter[bytes]") -> None:
    while data := await source.read(65536):
        target.write(data)
        await target.drain()


async def _feed(source: "asyncssh.SSHReader[bytes]", target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):  # the command need not read
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    target.close()


@dataclass(frozen=True)
class OpenSshServer:
    """sshd(8) on the loopback address; this process's user logs in with `client_key`."""

    host_keys: dict[str, asyncssh.SSHKey]
    client_key: asyncssh.SSHKey
    port: int

    def connection(self, **fields: Any) -> dict[str, Any]:
        """The `connection` input that leads here."""
        defaults = {
            "host": "127.0.0.1",
            "port": self.port,
            "user": pwd.getpwuid(os.getuid()).pw_name,
            "privateKey": private_text(self.client_key),
            "hostKey": public_line(self.host_keys["ssh-ed25519"]),
            "dialErrorLimit": 0,
            "perDialTimeout": 3,
        }
        return {key: value for key, value in {**defaults, **fields}.items() if value is not None}


def sshd_command(folder: Path) -> tuple[list[str], Path] | None:
    """The command of sshd, the installed one or else the machines' own, and the path under which it sees `folder`."""
    installed = shutil.which("sshd", path=SSHD_PATH)
    if installed:
        return [installed, "-D", "-e", "-f", str(folder / "sshd_config")], folder
    wanted = base_tree.tree_path()
    # A tree that an earlier version of the lab built works too.
    trees = [tree for tree in (wanted, *wanted.parent.glob("[!.]*")) if (tree / "usr/sbin/sshd").exists()]
    if os.getuid() == 0 and trees and shutil.which("unshare"):
        script = Path(__file__).with_name("sshd-in-tree.sh")
        own_mounts = ["unshare", "--mount", "--propagation", "private"]
        return [*own_mounts, "sh", str(script), str(trees[0]), str(folder)], Path("/mnt")
    return None


@contextlib.contextmanager
def openssh_server(folder: Path) -> Iterator[OpenSshServer]:
    """An sshd with an ed25519 and an RSA host key that accepts the variable TEST_ACCEPTED and no other."""
    found = sshd_command(folder)
    assert found is not None
    command, inside = found
    host_keys = {kind: new_key(kind) for kind in ("ssh-ed25519", "ssh-rsa")}
    client_key = new_key()
    (port,) = free_ports(1)
    for kind, key in host_keys.items():
        path = folder / kind
        path.touch(0o600)
        path.write_text(private_text(key))
    (folder / "authorized_keys").write_text(public_line(client_key) + "\n")
    settings = [
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        *(f"HostKey {inside / kind}" for kind in host_keys),
        f"AuthorizedKeysFile {inside}/authorized_keys",
        "StrictModes no",
        "UsePAM no",
        "PidFile none",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "AcceptEnv TEST_ACCEPTED",
        "PermitRootLogin prohibit-password",
    ]
    (folder / "sshd_config").write_text("\n".join(settings) + "\n")
    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            wait_until(lambda: process.poll() is not None or _answers(port), 20, "sshd answers or ends")
            assert process.poll() is None, (folder / "log").read_text()
            yield OpenSshServer(host_keys, client_key, port)
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
