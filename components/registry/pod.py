"""The registry's pod: its container, its place, and how a new pod takes over from the old one."""

from collections.abc import Mapping, Sequence
from typing import Final

import pulumi_kubernetes as kubernetes

from components.config.registry import RegistrySettings
from components.config.storage import AccessMode, Storage
from components.registry import metrics, s3
from components.registry.passwords import (
    CLIENT_CA_KEY,
    NODES_CONTAINER,
    NODES_CONTAINER_PORT,
    USERS_KEY,
    nodes_variables,
    password_variables,
)

SECRET_NAME: Final = "docker-registry-tls-cert"  # noqa: S105 - the name of a Secret, not its content
CONTAINER_PORT: Final = 5000
LABELS: Final = {"app": "registry"}
POD_LABELS: Final = {**LABELS, "name": "registry"}
_USER_ID: Final = 1000
_REQUESTS: Final = {"cpu": "10m", "memory": "64Mi"}
"""What the registry uses when 50 clients push and pull at once (idle: a third). Without requests, its pod would be the
first that a node kills when memory is short. There is no limit, since the page cache of the images counts against it.
"""
_DRAIN_SECONDS: Final = 20
_PRE_STOP_SECONDS: Final = 15
"""Time for the successor of a deleted pod to become ready on a busy node, and for every kube-proxy to learn of it.
Until then the pod that is being deleted still gets new connections.
"""


def pod(settings: RegistrySettings) -> kubernetes.core.v1.PodSpecArgs:
    """The registry's pod, within the `restricted` pod security standard."""
    core = kubernetes.core.v1
    auth = settings.auth
    return core.PodSpecArgs(
        node_selector=dict(settings.node_selector),
        affinity=affinity(settings.storage),
        topology_spread_constraints=s3.spread(LABELS) if settings.replicas > 1 else None,
        # A Service called `registry` in this namespace would otherwise set REGISTRY_* variables, which configure it.
        enable_service_links=False,
        priority_class_name=settings.priority_class,
        automount_service_account_token=False,
        termination_grace_period_seconds=_PRE_STOP_SECONDS + _DRAIN_SECONDS + 5,
        security_context=core.PodSecurityContextArgs(
            run_as_non_root=True,
            run_as_user=_USER_ID,
            run_as_group=_USER_ID,
            fs_group=_USER_ID,
            fs_group_change_policy="OnRootMismatch",  # otherwise every start walks the whole image store
            seccomp_profile=core.SeccompProfileArgs(type="RuntimeDefault"),
        ),
        containers=[
            _container(
                settings,
                "registry",
                [core.ContainerPortArgs(container_port=CONTAINER_PORT), *metrics.ports(settings.monitoring)],
                [
                    *environment(settings.storage, password_variables() if auth.enforced else {}),
                    *metrics.environment(settings.monitoring),
                ],
                startup=_probe(period=1, failures=60),
                readiness=_probe(period=5, failures=2),
                liveness=_probe(period=10, failures=6),
            ),
            *([_nodes_container(settings)] if auth.configured else []),
        ],
        volumes=_volumes(settings),
    )


def _volumes(settings: RegistrySettings) -> list[kubernetes.core.v1.VolumeArgs]:
    core = kubernetes.core.v1
    storage = settings.storage
    images = core.VolumeArgs(
        name="lv-storage",
        persistent_volume_claim=core.PersistentVolumeClaimVolumeSourceArgs(claim_name=storage.claim_name),
    )
    files = [
        "tls.crt",
        "tls.key",
        *((USERS_KEY, CLIENT_CA_KEY) if settings.auth.configured else ()),
        *s3.file_names(storage.s3),
    ]
    secret = core.SecretVolumeSourceArgs(
        secret_name=SECRET_NAME, items=[core.KeyToPathArgs(key=file, path=file) for file in files]
    )
    return [*([images] if storage.s3 is None else []), core.VolumeArgs(name="certs", secret=secret)]


def _container(
    settings: RegistrySettings,
    name: str,
    ports: Sequence[kubernetes.core.v1.ContainerPortArgs],
    variables: Sequence[kubernetes.core.v1.EnvVarArgs],
    *,
    startup: kubernetes.core.v1.ProbeArgs,
    readiness: kubernetes.core.v1.ProbeArgs | None = None,
    liveness: kubernetes.core.v1.ProbeArgs | None = None,
) -> kubernetes.core.v1.ContainerArgs:
    core = kubernetes.core.v1
    images = core.VolumeMountArgs(name="lv-storage", mount_path="/var/lib/registry", sub_path="registry")
    return core.ContainerArgs(
        name=name,
        image=settings.image,
        image_pull_policy=settings.image_pull_policy.value,
        ports=list(ports),
        env=list(variables),
        resources=core.ResourceRequirementsArgs(requests=_REQUESTS),
        volume_mounts=[
            *([images] if settings.storage.s3 is None else []),
            core.VolumeMountArgs(name="certs", mount_path="/certs", read_only=True),
        ],
        security_context=core.SecurityContextArgs(
            allow_privilege_escalation=False,
            read_only_root_filesystem=True,
            capabilities=core.CapabilitiesArgs(drop=["ALL"]),
        ),
        startup_probe=startup,
        readiness_probe=readiness,
        liveness_probe=liveness,
        lifecycle=core.LifecycleArgs(
            pre_stop=core.LifecycleHandlerArgs(sleep=core.SleepActionArgs(seconds=_PRE_STOP_SECONDS))
        ),
    )


def _nodes_container(settings: RegistrySettings) -> kubernetes.core.v1.ContainerArgs:
    """The registry as nodes see it: the same images, read-only, for certificates of the cluster."""
    return _container(
        settings,
        NODES_CONTAINER,
        [kubernetes.core.v1.ContainerPortArgs(container_port=NODES_CONTAINER_PORT)],
        environment(settings.storage, nodes_variables()),
        startup=opened(NODES_CONTAINER_PORT),
    )


def environment(storage: Storage, more: Mapping[str, str] = {}) -> list[kubernetes.core.v1.EnvVarArgs]:
    """The registry's settings; these variables override the image's file (distribution, configuration reference).

    Those of `more` replace others of the same name.
    """
    core = kubernetes.core.v1
    values = {
        "REGISTRY_HTTP_ADDR": f":{CONTAINER_PORT}",
        "REGISTRY_HTTP_TLS_CERTIFICATE": "/certs/tls.crt",
        "REGISTRY_HTTP_TLS_KEY": "/certs/tls.key",
        "REGISTRY_HTTP_DRAINTIMEOUT": f"{_DRAIN_SECONDS}s",
        "OTEL_TRACES_EXPORTER": "none",  # registry 3 otherwise looks for a collector on localhost, and complains
    }
    # All pods share one secret, so that an upload that began at one can continue at another.
    shared = core.EnvVarArgs(
        name="REGISTRY_HTTP_SECRET",
        value_from=core.EnvVarSourceArgs(
            secret_key_ref=core.SecretKeySelectorArgs(name=SECRET_NAME, key="http.secret")
        ),
    )
    later = {
        "REGISTRY_STORAGE_DELETE_ENABLED": "true" if storage.delete else "false",
        # The registry's own log has every request already, and leaves out the probes.
        "REGISTRY_LOG_ACCESSLOG_DISABLED": "true",
        # With a thread per processor, all of which are busy, Go looks for new requests once in 10 ms; when the server
        # ends, it closes the connections of requests that it has not seen yet. The kernel shares processors sooner.
        "GOMAXPROCS": "16",
    }
    later |= {name: value for name, value in more.items() if name not in values}
    values |= {name: value for name, value in more.items() if name in values}
    if storage.s3 is not None:
        later |= s3.bucket_variables(storage.s3)
    # New ones come last: an upgrade's preview then shows additions alone.
    return [*_variables(values), shared, *_variables(later)]


def _variables(values: Mapping[str, str]) -> list[kubernetes.core.v1.EnvVarArgs]:
    return [kubernetes.core.v1.EnvVarArgs(name=name, value=value) for name, value in values.items()]


def strategy(storage: Storage) -> kubernetes.apps.v1.DeploymentStrategyArgs:
    """How a changed pod takes over from the old one.

    The new pod is ready before the old one is deleted: a ReadWriteOnce claim is bound to a *node*, so both pods can
    mount it there. Only ReadWriteOncePod requires `Recreate`, which leaves a gap between the two.
    """
    if storage.s3 is None and storage.access_mode is AccessMode.READ_WRITE_ONCE_POD:
        return kubernetes.apps.v1.DeploymentStrategyArgs(type="Recreate")
    return kubernetes.apps.v1.DeploymentStrategyArgs(
        type="RollingUpdate",
        rolling_update=kubernetes.apps.v1.RollingUpdateDeploymentArgs(max_surge=1, max_unavailable=0),
    )


def affinity(storage: Storage) -> kubernetes.core.v1.AffinityArgs | None:
    """Keeps the new pod on the old one's node while both mount the claim; the first pod may run on any node."""
    if storage.s3 is not None or storage.access_mode is not AccessMode.READ_WRITE_ONCE:
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


def opened(port: int) -> kubernetes.core.v1.ProbeArgs:
    """The one probe of a server that asks for certificates of the cluster.

    A probe has none, so this only waits until the port is open. It is also the last: each would leave a line about a
    failed handshake in the log.
    """
    core = kubernetes.core.v1
    return core.ProbeArgs(tcp_socket=core.TCPSocketActionArgs(port=port), period_seconds=1, failure_threshold=60)


def _probe(*, period: int, failures: int) -> kubernetes.core.v1.ProbeArgs:
    core = kubernetes.core.v1
    return core.ProbeArgs(
        http_get=core.HTTPGetActionArgs(path="/", port=CONTAINER_PORT, scheme="HTTPS"),
        period_seconds=period,
        failure_threshold=failures,
        timeout_seconds=5,
    )
