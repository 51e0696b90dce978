"""The deployed registry as a client on the lab's LAN reaches it, and as its operator does."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from lab.deployment import STACK, Registry
from lab.engine import Engine
from lab.progress import step
from lab.settings import Lab, LabError

NAMESPACE = "docker-registry"
CREDENTIALS = ("OCI_USERNAME", "OCI_PASSWORD")
"""Variables of the environment from which the conformance suite and the load take a user of the registry."""
_CERTIFICATE = "**::registry-certificates-server"


@dataclass(frozen=True, kw_only=True)
class DeployedRegistry:
    """The registry of the lab's stack."""

    lab: Lab
    engine: Engine
    registry: Registry

    @classmethod
    def of(cls, lab: Lab) -> Self:
        """The registry that `make up` deployed.

        Raises:
            LabError: the lab is not up, or its stack is not deployed.
        """
        if not lab.kubeconfig.exists():
            message = f"lab {lab.name} has no cluster: start it with {lab.make('up')}"
            raise LabError(message)
        engine = Engine.of(lab)
        found = engine.outputs(STACK)
        if "registryHost" not in found:
            message = f"lab {lab.name}: its stack has no outputs, so no registry is deployed: run {lab.make('up')}"
            raise LabError(message)
        return cls(lab=lab, engine=engine, registry=Registry.of(found))

    @property
    def endpoint(self) -> str:
        """Address and port on the LAN; the certificate contains the address."""
        return f"{self.registry.ip}:{self.registry.port}"

    @contextlib.contextmanager
    def authority(self) -> Iterator[Path]:
        """The certificate of the stack's authority as a file, while the block runs."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "ca.crt"
            path.write_text(self.registry.ca_pem)
            yield path

    def delete_pod(self) -> None:
        """Delete the registry's pod, as a drain of its node does, and wait until its successor is ready."""
        self.kubectl("delete", "pod", "--selector=app=registry", "--wait=false")
        self.wait()

    def restart(self) -> None:
        """Replace the pod by a rollout."""
        self.kubectl("rollout", "restart", "deployment/registry")
        self.wait()

    def wait(self) -> None:
        """Wait until the Deployment has its pod."""
        self.kubectl("rollout", "status", "deployment/registry", "--timeout=120s")

    def renew_certificate(self) -> None:
        """Issue the server certificate anew, which replaces the pod and lets every node pull again.

        Raises:
            LabError: `pulumi up` failed.
        """
        command = ["up", "--yes", "--skip-preview", "--stack", STACK, "--replace", _CERTIFICATE]
        done = self.engine.run(command, netns=self.lab.lan_namespace_path, capture=True)
        if done.returncode:
            message = f"the certificate could not be renewed: pulumi up failed:\n{done.stdout}{done.stderr}"
            raise LabError(message)

    def empty(self, repositories: str) -> None:
        """Remove all repositories below a name, and the space of their images; nothing may be pushed meanwhile."""
        with step(f"freeing the space of {repositories}"):
            script = (
                f"rm -rf /var/lib/registry/docker/registry/v2/repositories/{repositories}\n"
                "registry garbage-collect /etc/distribution/config.yml >/dev/null 2>&1\n"
            )
            self.kubectl("exec", "deployment/registry", "--", "sh", "-c", script)
            # The running registry would go on promising blobs that it remembers.
            self.restart()

    def kubectl(self, *args: str) -> str:
        """The output of `kubectl` in the registry's namespace.

        Raises:
            LabError: it failed; the message holds its output.
        """
        command = [
            str(self.lab.programs / "kubectl"),
            f"--kubeconfig={self.lab.kubeconfig}",
            f"--namespace={NAMESPACE}",
        ]
        done = subprocess.run(self.lab.in_lan(*command, *args), capture_output=True, text=True, check=False)
        if done.returncode:
            message = f"kubectl {' '.join(args[:2])}: {done.stderr.strip()}"
            raise LabError(message)
        return done.stdout


def credentials() -> dict[str, str]:
    """The user of the registry, from this process's environment; empty where there is none."""
    return {name: os.environ[name] for name in CREDENTIALS if os.environ.get(name)}
