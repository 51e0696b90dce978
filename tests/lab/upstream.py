"""A registry outside the cluster whose images are pulled through a cache: one store, served in three ways."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import bcrypt

from lab import network, toolchain
from lab.deployment import Registry
from lab.settings import GATEWAY, Lab
from lab.tests.waiting import wait_until
from tests.authority import Authority, new_authority

NAME, USER, PASSWORD = "upstream.test", "carol", "an-unlikely-phrase-0815"  # invented
ADDRESS = str(GATEWAY)
PORTS = DIRECT, OPEN, CLOSED = 5443, 5300, 5301
"""By TLS for nodes that ask it themselves; without, for a cache; and the same, but with a password."""
_AUTH = "auth: {{htpasswd: {{realm: upstream, path: {folder}/users}}}}\n"


@dataclass
class Upstream:
    """The three servers, each of which writes a log."""

    lab: Lab
    folder: Path
    authority: Authority = field(default_factory=new_authority)
    servers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def registry(self) -> Registry:
        """As nodes see it that ask it themselves."""
        return Registry(NAME, DIRECT, ADDRESS, self.authority.pem)

    def _prepare(self) -> None:
        certificate, key = self.authority.server(names=(NAME,), addresses=(ADDRESS,))
        (self.folder / "server.crt").write_text(certificate)
        (self.folder / "server.key").write_text(key)
        (self.folder / "users").write_text(f"{USER}:{bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()}\n")
        tls = f", tls: {{certificate: {self.folder}/server.crt, key: {self.folder}/server.key}}"
        for port in PORTS:
            (self.folder / f"{port}.yml").write_text(
                "version: 0.1\nlog: {accesslog: {disabled: true}}\n"
                f"storage: {{filesystem: {{rootdirectory: {self.folder}/images}}}}\n"
                f"http: {{addr: '{ADDRESS}:{port}', secret: test{tls if port == DIRECT else ''}}}\n"
                + (_AUTH.format(folder=self.folder) if port == CLOSED else "")
            )

    def start(self) -> None:
        """Serve at every port."""
        self._prepare()
        program = str(toolchain.ensure(["registry"])["registry"])
        for port in PORTS:
            log = self._log(port)
            command = self.lab.in_lan(program, "serve", str(self.folder / f"{port}.yml"))
            with log.open("a") as file:
                self.servers.append(subprocess.Popen(command, stdout=file, stderr=file))
        for port in PORTS:
            wait_until(partial(network.answers, self.lab, ADDRESS, port), 30, f"the upstream at {port}")

    def stop(self) -> None:
        """End every server."""
        for server in self.servers:
            server.terminate()
            server.wait(30)
        self.servers.clear()

    def _log(self, port: int) -> Path:
        return self.folder / f"{port}.log"

    def requests(self, port: int, *words: str) -> Sequence[str]:
        """The lines of a log about answers, which contain these words."""
        lines = self._log(port).read_text().splitlines()
        return [line for line in lines if "response completed" in line and all(word in line for word in words)]
