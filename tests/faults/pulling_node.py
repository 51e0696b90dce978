"""A node that can pull: it runs containerd and the `k3s` command, and a registry runs on its LAN."""

import contextlib
import datetime as dt
import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.nodes import proof
from components.nodes.proof import PullProofArgs
from components.nodes.script import PROOF, render
from lab import network, toolchain
from lab.tests.waiting import wait_until
from tests.authority import Authority
from tests.faults.node_under_fault import ADDRESS, AGENT, CONFIG, K3S, SOCKET, NodeUnderFault, Outcome
from tests.faults.snapshot import inside

PORT = 5000
PROGRAMS = ("k3s", "containerd", "containerd-shim-runc-v2", "ctr")
PROCESS_NUMBER = "/run/containerd-of-the-test.pid"
START = f"setsid containerd -c {CONFIG} >/var/log/containerd.log 2>&1 & echo $! >{PROCESS_NUMBER}"


@dataclass(frozen=True)
class Puller:
    """A node with a running containerd."""

    node: NodeUnderFault

    def proof(self, trusted: Sequence[Authority], audit: str) -> Outcome:
        """Run the pull proof on the node; a different `audit` gives a different image."""
        args = PullProofArgs(
            config=self.node.config(audit),
            service="docker-registry/registry-service",
            bundle_pem="",
            server_certificate_pem="",
            private_key=None,
            registry=(),
            registry_revision="",
        )
        bundle = "".join(authority.pem for authority in trusted)
        settings = proof.settings(self.node.machine.name, args, bundle, "")
        text = render(PROOF, settings, proof.constants() | {"wait_seconds": "1"})
        return self.node.finish(self.node.start("proof"), text)

    def pull(self, image: str) -> subprocess.CompletedProcess[str]:
        """Pull an image with the node's containerd."""
        return self.node.machine.run(["k3s", "crictl", "pull", image], check=False)

    def digest(self, outcome: Outcome) -> str:
        """The image that a proof pulled."""
        return str(json.loads(outcome.stdout)["digest"])


@contextlib.contextmanager
def pulling(node: NodeUnderFault) -> Iterator[Puller]:
    """Run a containerd on a node while the block runs."""
    machine = node.machine
    before = inside(machine, CONFIG).read_bytes()
    for name, program in toolchain.ensure(PROGRAMS).items():
        machine.write(f"/usr/local/bin/{name}", program.read_bytes(), mode=0o755)
    machine.write(CONFIG, Path(__file__).with_name("containerd.toml").read_text().format(agent=AGENT, socket=SOCKET))
    machine.run(["mkdir", "-p", str(Path(SOCKET).parent)])
    machine.run(["sh", "-c", START])
    try:
        wait_until(lambda: machine.run(["k3s", "crictl", "info"], check=False).returncode == 0, 60, "containerd")
        yield Puller(node)
    finally:
        machine.run(["sh", "-c", f"kill $(cat {PROCESS_NUMBER}); rm {PROCESS_NUMBER}"])
        machine.write("/usr/local/bin/k3s", K3S, mode=0o755)
        machine.write(CONFIG, before)


@contextlib.contextmanager
def registry(node: NodeUnderFault, authority: Authority, start: dt.datetime, end: dt.datetime) -> Iterator[None]:
    """The registry at its address on the node's LAN, with a certificate that is valid from `start` to `end`."""
    lab = node.machine.lab
    program = toolchain.ensure(["registry"])["registry"]
    certificate, key = authority.server(names=("registry.cube.local",), addresses=(ADDRESS,), start=start, end=end)
    subprocess.run(lab.in_lan("ip", "addr", "replace", f"{ADDRESS}/32", "dev", network.BRIDGE), check=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "server.crt").write_text(certificate)
        (folder / "server.key").write_text(key)
        (folder / "config.yml").write_text(
            "version: 0.1\nlog: {level: error}\n"
            f"storage: {{filesystem: {{rootdirectory: {folder}/data}}}}\n"
            f"http: {{addr: '{ADDRESS}:{PORT}', secret: test,"
            f" tls: {{certificate: {folder}/server.crt, key: {folder}/server.key}}}}\n"
        )
        with subprocess.Popen(
            lab.in_lan(str(program), "serve", str(folder / "config.yml")),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as server:
            try:
                wait_until(lambda: network.answers(lab, ADDRESS, PORT), 30, "the registry", pause=0.05)
                yield
            finally:
                server.terminate()
