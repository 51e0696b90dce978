"""A node with trust in place and a registry that it reaches; a test may break either."""

import base64
import gzip
import json
import shutil
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.tests.ports import free_ports
from tests.authority import Authority
from tests.nodes.scripts.node import CA_FILE, CERTS, Node, Outcome
from tests.nodes.scripts.registry_server import INDEX, MANIFEST, Store, digest, serve

HOST = "registry.cube.local"
REPOSITORY = "k3s-registry/pull-proof"
FILL = 'mount -t tmpfs -o size=64k tmpfs "$1" && { cat /dev/zero >"$1/filler"; shift; exec "$@"; }'
FULL = ("unshare", "--mount", "--propagation", "private", "sh", "-c", FILL, "sh")
"""Runs a command that sees a full file system in its first argument; both end together."""


@dataclass(frozen=True)
class Probe:
    """An image of one layer behind an index, as settings."""

    digest: str
    blobs: str
    manifests: str
    index: str
    """The index with `@` instead of the revision."""
    revision: str = "a1b2"


def new_probe(text: bytes = b"probe") -> Probe:
    def described(kind: str, content: bytes) -> dict[str, object]:
        return {"mediaType": kind, "digest": digest(content), "size": len(content)}

    def line(kind: str, content: bytes) -> str:
        return f"{digest(content)} {kind} {base64.b64encode(content).decode()}"

    layer = gzip.compress(text, mtime=0)
    config = json.dumps({"architecture": "amd64", "os": "linux"}).encode()
    kinds = ("application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.oci.image.config.v1+json")
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described(kinds[1], config),
            "layers": [described(kinds[0], layer)],
        }
    ).encode()
    index = json.dumps(
        {
            "annotations": {"revision": "@"},
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [described(MANIFEST, manifest)],
        }
    )
    return Probe(
        digest(index.replace("@", Probe.revision).encode()),
        "\n".join([line(kinds[0], layer), line(kinds[1], config)]),
        line(MANIFEST, manifest),
        index,
    )


class Bench:
    """A node with trust in place and a registry; a test may break both."""

    def __init__(self, node: Node, authority: Authority, probe: Probe) -> None:
        self.node = node
        self.authority = authority
        self.probe = probe
        self.store = Store()
        self.stack = ExitStack()

    def serve_by(self, program: Path, *, full: bool = False) -> None:
        """Start the distribution project's own registry, on request with a file system of its own that is full."""
        directory = self.node.root / "server"
        directory.mkdir()
        certificate, key = self.authority.server(names=(HOST,))
        (directory / "server.crt").write_text(certificate)
        (directory / "server.key").write_text(key)
        (port,) = free_ports(1)
        (directory / "config.yml").write_text(
            "version: 0.1\nlog: {level: error}\n"
            f"storage: {{filesystem: {{rootdirectory: {directory}/data}}}}\n"
            f"http: {{addr: '127.0.0.1:{port}', secret: test,"
            f" tls: {{certificate: {directory}/server.crt, key: {directory}/server.key}}}}\n"
        )
        command: list[str | Path] = [program, "serve", directory / "config.yml"]
        if full:
            (directory / "data").mkdir()
            command = [*FULL, directory / "data", *command]
        server = self.stack.enter_context(
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )
        self.stack.callback(server.terminate)
        self.point_at(port)

    def serve(self, certificate: tuple[str, str] | None = None) -> int:
        """Start the registry; by default with a good certificate."""
        certificate = certificate or self.authority.server(names=(HOST,))
        directory = self.node.root / "server"
        directory.mkdir(exist_ok=True)
        port = self.stack.enter_context(serve(self.store, directory, *certificate))
        self.point_at(port)
        return port

    def point_at(self, port: int) -> None:
        """Make the node trust the registry at a port of loopback, as trust.sh does."""
        registry = f"{HOST}:{port}"
        self.node.settings["port"] = str(port)
        self.node.write(CA_FILE, self.authority.pem)
        self.node.write(f"{CERTS}/{registry}/hosts.toml", f'ca = ["{CA_FILE}"]\n')
        self.node.write("/etc/hosts", f"127.0.0.1 localhost\n127.0.0.1 {HOST} registry\n")

    def behave(self, **behaviour: object) -> None:
        self.node.write("/behaviour.json", json.dumps(behaviour))

    def calls(self) -> list[str]:
        return self.node.read("/calls").decode().splitlines()

    def run(self, **changes: str) -> Outcome:
        return self.node.run("", **changes)


def with_client(node: Node, directory: Path, *commands: str) -> None:
    """Put programs of the machine on the node's PATH."""
    for command in commands:
        found = shutil.which(command)
        if found is None:
            pytest.skip(f"{command} is not installed")
        directory.mkdir(exist_ok=True)
        (directory / command).symlink_to(found)
    node.extra_path.append(directory)
