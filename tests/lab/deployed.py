"""The program deployed on the test lab, and its users' actions: pushing, pulling, running pods."""

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import host_keys, images, lifecycle
from lab.base_tree import ensure_base_tree
from lab.deployment import STACK, Registry
from lab.machines import Machine
from lab.settings import MachineName
from lab.tests.waiting import wait_until

from .node_files import snapshot
from .program import Program, only

CA_FOLDER = "ca"
ACCEPTED = re.compile(r"Accepted publickey for (\S+)")
POD_SECONDS = 60
NODES_SECONDS = 90


def units(machine: Machine) -> str:
    """The start time of the machine's K3s unit."""
    unit = "k3s" if machine.place.is_server else "k3s-agent"
    return machine.run(["systemctl", "show", unit, "-p", "ExecMainStartTimestampMonotonic,NRestarts"]).stdout


@dataclass
class Deployed:
    """One deployment that all tests share; each restores the state of the committed stack file."""

    program: Program
    folder: Path
    refused: dict[str, str] = field(default_factory=dict)
    """The output of a pull on each node before the program ran there."""
    files_before: dict[str, dict[str, str]] = field(default_factory=dict)
    unit_starts_before: dict[str, str] = field(default_factory=dict)
    unit_starts_after: dict[str, str] = field(default_factory=dict)
    logins: dict[str, set[str]] = field(default_factory=dict)
    """The users as whom the first `up` logged in on each node."""

    def bring_about(self) -> None:
        """Run the first `up`, with one node and then with all, and record the state before it."""
        machines = self.program.machines
        self.files_before = {name: snapshot(machine) for name, machine in machines.items()}
        self.unit_starts_before = self.unit_starts()
        self.program.up(config=self.program.configuration(only("control01")))
        for name in ("cube01", "cube02"):
            self.refused[name] = self._pull_by_hand(machines[name])
        self.program.up()
        self.unit_starts_after = self.unit_starts()
        self.logins = {name: set(ACCEPTED.findall(log)) for name, log in self.ssh_logs().items()}
        self.program.note_private_keys()

    def _pull_by_hand(self, machine: Machine) -> str:
        """The output of a pull on a node that can resolve the registry's name but does not trust it."""
        hosts = machine.path("/etc/hosts").read_text()
        machine.write("/etc/hosts", hosts + "10.77.0.202 registry.cube.local\n")
        reference = "registry.cube.local:5000/k3s-registry/pull-proof@sha256:" + "0" * 64
        said = machine.run(machine.kind.k3s("crictl", "pull", reference), check=False)
        machine.write("/etc/hosts", hosts)
        return said.stdout + said.stderr

    def unit_starts(self) -> dict[str, str]:
        """The start time of each K3s unit."""
        return {name: units(machine) for name, machine in self.program.machines.items()}

    def ssh_logs(self) -> dict[str, str]:
        """The whole log of each machine's sshd."""
        return {
            name: machine.run(["journalctl", "--no-pager", "-o", "short-monotonic", "-u", "ssh"]).stdout
            for name, machine in self.program.machines.items()
        }

    def planned(self, config: Path) -> dict[str, str]:
        """The steps of a preview that concern resources of providers."""
        return self.program.planned(config)

    def proved_digests(self) -> dict[str, str]:
        """The report of each proof in the state; the stack's outputs are missing after a failed run."""
        resources = self.program.engine.resources(STACK)
        proofs = {
            r["urn"].rpartition("::")[2]: r["outputs"] for r in resources if r["urn"].endswith("-proof") and r.get("id")
        }
        return {name.removesuffix("-proof"): json.loads(out["stdout"])["digest"] for name, out in proofs.items()}

    @staticmethod
    def new_node(name: str) -> dict[str, Any]:
        """The entry of a machine of the lab in the configuration."""
        place = MachineName.parse(name)
        return {"host": place.address, "hostKey": host_keys.host_key_line(place), "user": place.kind.user}

    def add_machine(self, name: str) -> None:
        """Add a machine to the cluster."""
        lifecycle.up(self.program.lab, count=MachineName.parse(name).index + 1)

    def remove_machine(self, name: str) -> None:
        """Remove a machine from the cluster."""
        lifecycle.remove_machine(self.program.lab, name)

    def wait_for_nodes(self) -> None:
        """Wait until the API answers, every node is Ready, every containerd answers, and the registry is ready."""
        wait_until(self._ready, NODES_SECONDS, "every node ready and the registry available", pause=0.5)

    def _ready(self) -> bool:
        control = self.program.machines["control01"]
        states = control.run(
            control.kind.k3s("kubectl", "--cache-dir=/tmp/kubectl", "get", "nodes", "--no-headers"), check=False
        )
        lines = states.stdout.splitlines()
        if states.returncode or not lines or any(line.split()[1] != "Ready" for line in lines):
            return False
        for machine in self.program.machines.values():
            if machine.run(machine.kind.k3s("crictl", "images"), check=False).returncode:
                return False
        try:
            return "repositories" in self.program.registry().get(self.program.lab, "/v2/_catalog")
        except OSError:
            return False

    def restart_registry(self) -> None:
        """Replace the registry's pod, as a user does."""
        self.program.kubectl("-n", "docker-registry", "rollout", "restart", "deployment/registry")
        self.program.kubectl("-n", "docker-registry", "rollout", "status", "deployment/registry", "--timeout=60s")

    def certificates(self, registry: Registry | None = None) -> Path:
        """A directory from which skopeo and docker read the authority of the stack's registry, or another."""
        folder = self.folder / CA_FOLDER
        folder.mkdir(exist_ok=True)
        (folder / "ca.crt").write_text((registry or self.program.registry()).ca_pem)
        return folder

    def push(
        self,
        repository: str,
        registry: Registry | None = None,
        files: Mapping[str, bytes] | None = None,
        *,
        tag: str = "latest",
        command: Sequence[str] = ("sleep", "86400"),
        logins: Path | None = None,
    ) -> str:
        """Push a small runnable image from the LAN to the stack's registry, or another; returns its reference.

        Images with different `files` have different digests. `logins` is a docker configuration with passwords.
        """
        registry = registry or self.program.registry()
        busybox = ensure_base_tree() / "bin" / "busybox"
        image = images.runnable_image(f"test/{repository}:{tag}", busybox, command=command, files=files)
        archive = images.ensure_image(image)
        target = f"docker://{registry.ip}:{registry.port}/{repository}:{tag}"
        command = [
            "skopeo",
            "copy",
            "--insecure-policy",
            "--dest-cert-dir",
            str(self.certificates(registry)),
            *(["--dest-authfile", str(logins)] if logins else []),
            f"docker-archive:{archive}",
            target,
        ]
        done = subprocess.run(self.program.lab.in_lan(*command), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return f"{registry.host}:{registry.port}/{repository}:{tag}"

    def run_pod(self, node: str, image: str, script: str | None = None) -> str:
        """Run a pod of the image on the node, which pulls it first; returns the output of its shell's script."""
        name = f"hello-{node}"
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {
                "nodeName": node,
                "restartPolicy": "Never",
                "containers": [
                    {
                        "name": "hello",
                        "image": image,
                        "imagePullPolicy": "Always",
                        "command": ["/bin/sh", "-c", script or f"echo hello from {node}"],
                    }
                ],
            },
        }
        kubectl = self.program.kubectl
        kubectl("delete", "pod", name, "--ignore-not-found", "--wait")
        kubectl("create", "-f", "-", stdin=json.dumps(pod))

        def finished() -> bool:
            return kubectl("get", "pod", name, "-o", "jsonpath={.status.phase}") in ("Succeeded", "Failed")

        wait_until(finished, POD_SECONDS, f"pod {name}", pause=0.3)
        printed = kubectl("logs", name)
        kubectl("delete", "pod", name, "--wait=false")
        return printed
