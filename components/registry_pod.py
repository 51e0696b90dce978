"""The registry's pod: what runs in it, where, and how a new one takes over from the old."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pulumi_kubernetes as kubernetes

from components.config_registry import AccessMode, ImagePullPolicy

SECRET_NAME: Final = "docker-registry-tls-cert"  # noqa: S105 - the name of a Secret, not its content
CONTAINER_PORT: Final = 5000
LABELS: Final = {"app": "registry"}
POD_LABELS: Final = {**LABELS, "name": "registry"}
_USER_ID: Final = 1000
_DRAIN_SECONDS: Final = 20
_PRE_STOP_SECONDS: Final = 5
"""Time for every kube-proxy to stop sending new connections to a pod that is going away."""


@dataclass(frozen=True, kw_only=True)
class PodArgs:
    """What a registry's pod depends on."""

    image: str
    image_pull_policy: ImagePullPolicy
    node_selector: Mapping[str, str]
    claim_name: str
    access_mode: AccessMode


def pod(args: PodArgs) -> kubernetes.core.v1.PodSpecArgs:
    """The registry's pod, within the `restricted` pod security standard."""
    core = kubernetes.core.v1
    return core.PodSpecArgs(
        node_selector=dict(args.node_selector),
        affinity=affinity(args.access_mode),
        # A Service called `registry` in this namespace would else set REGISTRY_* variables, its configuration.
        enable_service_links=False,
        automount_service_account_token=False,
        termination_grace_period_seconds=_PRE_STOP_SECONDS + _DRAIN_SECONDS + 5,
        security_context=core.PodSecurityContextArgs(
            run_as_non_root=True,
            run_as_user=_USER_ID,
            run_as_group=_USER_ID,
            fs_group=_USER_ID,
            fs_group_change_policy="OnRootMismatch",  # else every start walks the whole image store
            seccomp_profile=core.SeccompProfileArgs(type="RuntimeDefault"),
        ),
        containers=[
            core.ContainerArgs(
                name="registry",
                image=args.image,
                image_pull_policy=args.image_pull_policy.value,
                ports=[core.ContainerPortArgs(container_port=CONTAINER_PORT)],
                env=environment(),
                volume_mounts=[
                    core.VolumeMountArgs(name="lv-storage", mount_path="/var/lib/registry", sub_path="registry"),
                    core.VolumeMountArgs(name="certs", mount_path="/certs", read_only=True),
                ],
                security_context=core.SecurityContextArgs(
                    allow_privilege_escalation=False,
                    read_only_root_filesystem=True,
                    capabilities=core.CapabilitiesArgs(drop=["ALL"]),
                ),
                startup_probe=_probe(period=1, failures=60),
                readiness_probe=_probe(period=5, failures=2),
                liveness_probe=_probe(period=10, failures=6),
                lifecycle=core.LifecycleArgs(
                    pre_stop=core.LifecycleHandlerArgs(sleep=core.SleepActionArgs(seconds=_PRE_STOP_SECONDS))
                ),
            )
        ],
        volumes=[
            core.VolumeArgs(
                name="lv-storage",
                persistent_volume_claim=core.PersistentVolumeClaimVolumeSourceArgs(claim_name=args.claim_name),
            ),
            core.VolumeArgs(
                name="certs",
                secret=core.SecretVolumeSourceArgs(
                    secret_name=SECRET_NAME,
                    items=[core.KeyToPathArgs(key=item, path=item) for item in ("tls.crt", "tls.key")],
                ),
            ),
        ],
    )


def environment() -> list[kubernetes.core.v1.EnvVarArgs]:
    """The registry's settings (distribution, configuration reference: variables override the image's file)."""
    core = kubernetes.core.v1
    values = {
        "REGISTRY_HTTP_ADDR": f":{CONTAINER_PORT}",
        "REGISTRY_HTTP_TLS_CERTIFICATE": "/certs/tls.crt",
        "REGISTRY_HTTP_TLS_KEY": "/certs/tls.key",
        "REGISTRY_HTTP_DRAINTIMEOUT": f"{_DRAIN_SECONDS}s",
        "OTEL_TRACES_EXPORTER": "none",  # registry 3 otherwise looks for a collector on localhost, and complains
    }
    # One secret for the old and the new pod: an upload begun at one goes on at the other.
    shared = core.EnvVarArgs(
        name="REGISTRY_HTTP_SECRET",
        value_from=core.EnvVarSourceArgs(
            secret_key_ref=core.SecretKeySelectorArgs(name=SECRET_NAME, key="http.secret")
        ),
    )
    return [*(core.EnvVarArgs(name=name, value=value) for name, value in values.items()), shared]


def strategy(access_mode: AccessMode) -> kubernetes.apps.v1.DeploymentStrategyArgs:
    """How a changed pod takes over from the old one.

    The new pod is ready before the old one goes: a ReadWriteOnce claim is bound to a *node*, so both may hold it there.
    Only ReadWriteOncePod forces the gap that `Recreate` makes.
    """
    if access_mode is AccessMode.READ_WRITE_ONCE_POD:
        return kubernetes.apps.v1.DeploymentStrategyArgs(type="Recreate")
    return kubernetes.apps.v1.DeploymentStrategyArgs(
        type="RollingUpdate",
        rolling_update=kubernetes.apps.v1.RollingUpdateDeploymentArgs(max_surge=1, max_unavailable=0),
    )


def affinity(access_mode: AccessMode) -> kubernetes.core.v1.AffinityArgs | None:
    """Keep the new pod on the old one's node while both hold the claim; the first pod may go anywhere."""
    if access_mode is not AccessMode.READ_WRITE_ONCE:
        return None
    core = kubernetes.core.v1
    return core.AffinityArgs(
        pod_affinity=core.PodAffinityArgs(
            required_during_scheduling_ignored_during_execution=[
                core.PodAffinityTermArgs(
                    topology_key="kubernetes.io/hostname",
                    label_selector=kubernetes.meta.v1.LabelSelectorArgs(match_labels=LABELS),
                )
            ]
        )
    )


def _probe(*, period: int, failures: int) -> kubernetes.core.v1.ProbeArgs:
    core = kubernetes.core.v1
    return core.ProbeArgs(
        http_get=core.HTTPGetActionArgs(path="/", port=CONTAINER_PORT, scheme="HTTPS"),
        period_seconds=period,
        failure_threshold=failures,
        timeout_seconds=5,
    )
