"""How the registry's pod lets go of the images while they are collected; used only where a clean-up is configured.

`scripts/` holds the shell: `serve.sh` runs beside the server, `cleanup.sh` in the clean-up's own pod.
"""

import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from typing import Any, Final

import pulumi_kubernetes as kubernetes

SCRIPTS_NAME: Final = "registry-cleanup"
SCRIPTS_ANNOTATION: Final = "k3s-registry/cleanup-scripts"
LABELS: Final = {"k3s-registry/cleanup": "hands-over"}
"""Of a pod whose server takes part in the locks."""
CONFIGURATION: Final = "/etc/distribution/config.yml"
SERVE: Final = ("sh", "/scripts/serve.sh")
CLEAN_UP: Final = ("sh", "/scripts/cleanup.sh")
_PARTS: Final = {
    "serve.sh": ("exchange.sh", "locks.sh", "serve.sh"),
    "cleanup.sh": ("exchange.sh", "locks.sh", "used.sh", "plan.sh", "cleanup.sh"),
}


def scripts() -> Mapping[str, str]:
    """The scripts, each joined from its parts."""
    directory = resources.files("components.registry") / "scripts"
    return {
        name: "".join((directory / part).read_text(encoding="utf-8") for part in parts)
        for name, parts in _PARTS.items()
    }


def scripts_hash() -> str:
    """Changes with the scripts, and so rolls the pod."""
    return hashlib.sha256(json.dumps(scripts()).encode()).hexdigest()


def add_to(spec: kubernetes.core.v1.PodSpecArgs) -> None:
    """Change the registry's pod: its server holds a lock on the images, and ends when the clean-up asks for it."""
    container = first_container(spec)
    container.command = [*SERVE, "serve", "registry", "serve", CONFIGURATION]
    container.startup_probe = probe(*SERVE, "alive", period=1, failures=60)
    container.liveness_probe = probe(*SERVE, "alive", period=10, failures=6)
    container.readiness_probe = probe(*SERVE, "ready", period=5, failures=2)
    mount_scripts(spec)


def mount_scripts(spec: kubernetes.core.v1.PodSpecArgs) -> None:
    """Give the pod's first container the scripts, and the root of the claim, whose lock is the clean-up's wish."""
    core = kubernetes.core.v1
    mounts: Any = first_container(spec).volume_mounts
    mounts += [
        core.VolumeMountArgs(name="scripts", mount_path="/scripts", read_only=True),
        core.VolumeMountArgs(name="lv-storage", mount_path="/claim", read_only=True),
    ]
    volumes: Any = spec.volumes
    volumes.append(
        core.VolumeArgs(name="scripts", config_map=core.ConfigMapVolumeSourceArgs(name=SCRIPTS_NAME)),
    )


def first_container(spec: kubernetes.core.v1.PodSpecArgs) -> kubernetes.core.v1.ContainerArgs:
    """The container of the registry."""
    containers: Any = spec.containers
    container: kubernetes.core.v1.ContainerArgs = containers[0]
    return container


def probe(*command: str, period: int, failures: int) -> kubernetes.core.v1.ProbeArgs:
    """A probe by a command: the kubelet's own requests cannot see who holds a lock."""
    return kubernetes.core.v1.ProbeArgs(
        exec_=kubernetes.core.v1.ExecActionArgs(command=[*command]),
        period_seconds=period,
        failure_threshold=failures,
        timeout_seconds=5,
    )
