"""The dev stack on the lab: `pulumi up`, and then what a user came for, seen from the LAN."""

import json
import socket
import ssl
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab import network
from lab.cgroups import Group
from lab.engine import Engine
from lab.lifecycle import locked
from lab.progress import say, step
from lab.settings import Lab, LabError

STACK = "dev"
GROUP = "deploy"
_ANSWER_BYTES = 65536
_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Registry:
    """The registry as the stack's outputs describe it."""

    host: str
    port: int
    ip: str
    ca_pem: str

    @classmethod
    def of(cls, outputs: Mapping[str, Any]) -> "Registry":
        """The registry of a stack."""
        return cls(outputs["registryHost"], int(outputs["registryPort"]), outputs["registryIp"], outputs["caCertPem"])

    @property
    def url(self) -> str:
        """Its address in a browser's spelling."""
        return f"https://{self.host}:{self.port}"

    def get(self, lab: Lab, path: str) -> str:
        """The body of the answer to a GET from the LAN, with certificate and name verified.

        Raises:
            OSError: no connection, or its certificate does not verify (ssl.SSLError).
            LabError: another status than 200.

        """
        context = ssl.create_default_context(cadata=self.ca_pem)
        with network.entered(lab.lan_namespace):
            plain = socket.create_connection((self.ip, self.port), timeout=_SECONDS)
        # By hand rather than by http.client: that would look the name up, which this computer need not know.
        with plain, context.wrap_socket(plain, server_hostname=self.host) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: {self.host}:{self.port}\r\n\r\n".encode())
            answer = b""
            while len(answer) < _ANSWER_BYTES and (part := connection.recv(_ANSWER_BYTES)):
                answer += part
        head, _, body = answer.decode().partition("\r\n\r\n")
        if head.split()[1:2] != ["200"]:
            message = f"{self.url}{path} answered {head.splitlines()[0]!r}; the registry must answer 200"
            raise LabError(message)
        return body


def deploy(lab: Lab) -> None:
    """Run `pulumi up` on the lab's stack and show catalog and nodes; goes on where a killed one stopped.

    Raises:
        LabError: the lab is not up, or `pulumi up` failed.

    """
    with locked(lab):
        if not lab.kubeconfig.exists():
            message = f"lab {lab.name} has no cluster: start it with {lab.make('up')}"
            raise LabError(message)
        group = Group(lab, GROUP)
        # We hold the lab's lock, so whatever is in here, and the stack's own lock, belong to a run that was killed.
        group.kill()
        group.enter()
        engine = _prepared(Engine.of(lab))
        engine.unlock(STACK)
        _clear_away(lab, engine)
        with step(f"pulumi up --stack {STACK}"):
            command = ["up", "--yes", "--skip-preview", "--stack", STACK, "--suppress-outputs"]
            done = engine.run(command, netns=lab.lan_namespace_path, on_line=_say)
            if done.returncode:
                message = (
                    f"pulumi up failed (exit status {done.returncode}): its own words stand above; "
                    f"{lab.make('up')} goes on from there"
                )
                raise LabError(message)
        print(summary(lab, outputs(lab, engine)))


def _clear_away(lab: Lab, engine: Engine) -> None:
    """Delete from the cluster what a killed run was making, which the state does not know: it would be in the way.

    Commands on nodes are harmless to run again.
    """
    told = engine.run(["stack", "export", "--stack", STACK], capture=True)
    operations = json.loads(told.stdout)["deployment"].get("pending_operations") or [] if told.returncode == 0 else []
    objects = [
        {key: inputs[key] for key in ("apiVersion", "kind", "metadata")}
        for operation in operations
        if operation["type"] == "creating"
        and operation["resource"]["type"].startswith("kubernetes:")
        and "kind" in (inputs := operation["resource"].get("inputs", {}))
    ]
    if not objects:
        return
    with step("clearing away what a killed pulumi up has left half made"):
        command = [str(lab.programs / "kubectl"), f"--kubeconfig={lab.kubeconfig}"]
        done = subprocess.run(
            lab.in_lan(*command, "delete", "--ignore-not-found", "--filename=-"),
            input=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}),
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        message = f"what a killed pulumi up has left half made could not be deleted: {done.stderr.strip()}"
        raise LabError(message)


def preview() -> None:
    """Show the whole plan of the lab's stack, without cluster, machines or root.

    Raises:
        LabError: the plan could not be made.

    """
    engine = _prepared(Engine.offline())
    done = engine.run(["preview", "--diff", "--stack", STACK])
    if done.returncode:
        message = f"pulumi preview failed (exit status {done.returncode}): its own words stand above"
        raise LabError(message)


def outputs(lab: Lab, engine: Engine) -> dict[str, Any]:
    """What the stack exports."""
    done = engine.run(["stack", "output", "--json", "--stack", STACK], netns=lab.lan_namespace_path, capture=True)
    if done.returncode:
        message = f"pulumi stack output failed: {done.stderr.strip()}"
        raise LabError(message)
    exported: dict[str, Any] = json.loads(done.stdout)
    return exported


def summary(lab: Lab, exported: Mapping[str, Any]) -> str:
    """The catalog, read from the LAN with the authority verified, and what each node has pulled."""
    registry = Registry.of(exported)
    catalog = registry.get(lab, "/v2/_catalog").strip()
    lines = [
        "",
        f"{registry.url}/v2/_catalog, from the LAN, certificate verified by the stack's authority:",
        f"  {catalog}",
        "",
        f"{'NODE':<11}  PULLED THROUGH ITS OWN CONTAINERD",
    ]
    lines += [f"{name:<11}  {node['pulledDigest']}" for name, node in sorted(exported["nodes"].items())]
    return "\n".join(lines)


def _say(line: str) -> None:
    # The step's own line tells the time; the CLI's dots, which do the same, are left out.
    if line.strip() and not line.startswith("@ "):
        say(line)


def _prepared(engine: Engine) -> Engine:
    engine.ensure_stack(STACK)
    origins = engine.install_plugins()
    say("plugins: " + ", ".join(f"{name} ({origin})" for name, origin in sorted(origins.items())))
    return engine
