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
        """The registry's URL."""
        return f"https://{self.host}:{self.port}"

    def get(self, lab: Lab, path: str) -> str:
        """The body of the answer to a GET from the LAN, with certificate and name verified.

        Raises:
            OSError: the connection failed, or the certificate does not verify (ssl.SSLError).
            LabError: the status is not 200.

        """
        context = ssl.create_default_context(cadata=self.ca_pem)
        with network.entered(lab.lan_namespace):
            plain = socket.create_connection((self.ip, self.port), timeout=_SECONDS)
        # http.client would look the name up, and this computer may not be able to resolve it.
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
    """Run `pulumi up` on the lab's stack and show catalog and nodes; continues where a killed run stopped.

    Raises:
        LabError: the lab is not up, or `pulumi up` failed.

    """
    with locked(lab):
        if not lab.kubeconfig.exists():
            message = f"lab {lab.name} has no cluster: start it with {lab.make('up')}"
            raise LabError(message)
        group = Group(lab, GROUP)
        # This process holds the lab's lock, so processes in the group and locks on the stack are those of a killed run.
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
                    f"pulumi up failed (exit status {done.returncode}): see its output above; "
                    f"{lab.make('up')} continues from there"
                )
                raise LabError(message)
        print(summary(lab, engine.outputs(STACK)))


def _clear_away(lab: Lab, engine: Engine) -> None:
    """Delete the objects that a killed run was creating: the state does not know them, so creating them would fail.

    Commands on nodes need no such care: they are safe to run again.
    """
    exported = engine.run(["stack", "export", "--stack", STACK], capture=True)
    deployment = json.loads(exported.stdout)["deployment"] if exported.returncode == 0 else {}
    operations = deployment.get("pending_operations") or []
    objects = [
        {key: inputs[key] for key in ("apiVersion", "kind", "metadata")}
        for operation in operations
        if operation["type"] == "creating"
        and operation["resource"]["type"].startswith("kubernetes:")
        and "kind" in (inputs := operation["resource"].get("inputs", {}))
    ]
    if not objects:
        return
    with step("deleting half-created objects of a killed pulumi up"):
        command = [str(lab.programs / "kubectl"), f"--kubeconfig={lab.kubeconfig}"]
        done = subprocess.run(
            lab.in_lan(*command, "delete", "--ignore-not-found", "--filename=-"),
            input=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}),
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        message = f"half-created objects of a killed pulumi up could not be deleted: {done.stderr.strip()}"
        raise LabError(message)


def preview() -> None:
    """Show the whole plan of the lab's stack, without cluster, machines or root.

    Raises:
        LabError: the preview failed.

    """
    engine = _prepared(Engine.offline())
    done = engine.run(["preview", "--diff", "--stack", STACK])
    if done.returncode:
        message = f"pulumi preview failed (exit status {done.returncode}): see its output above"
        raise LabError(message)


def summary(lab: Lab, exported: Mapping[str, Any]) -> str:
    """The catalog, read from the LAN with the certificate verified, and the digest that each node has pulled."""
    registry = Registry.of(exported)
    catalog = registry.get(lab, "/v2/_catalog").strip()
    lines = [
        "",
        f"{registry.url}/v2/_catalog, read from the LAN, certificate verified with the stack's CA:",
        f"  {catalog}",
        "",
        f"{'NODE':<11}  PULLED THROUGH ITS OWN CONTAINERD",
    ]
    lines += [f"{name:<11}  {node['pulledDigest']}" for name, node in sorted(exported["nodes"].items())]
    return "\n".join(lines)


def _say(line: str) -> None:
    # The CLI's lines of dots only show that time passes, which the step's own line shows already.
    if line.strip() and not line.startswith("@ "):
        say(line)


def _prepared(engine: Engine) -> Engine:
    engine.ensure_stack(STACK)
    origins = engine.install_plugins()
    say("plugins: " + ", ".join(f"{name} ({origin})" for name, origin in sorted(origins.items())))
    return engine
