"""The registry itself: namespace, key pair, storage, workload and address.

Object names are the guide's, so that a cluster built by hand can be taken over with its images. Does not wait for the
address to answer: the pull proof does, and it sees more.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_kubernetes as kubernetes

from components.config import AccessMode, ImagePullPolicy, LoadBalancer, Storage

SECRET_NAME: Final = "docker-registry-tls-cert"  # noqa: S105 - the name of a Secret, not its content
DEPLOYMENT_NAME: Final = "registry"
SERVICE_NAME: Final = "registry-service"
CONTAINER_PORT: Final = 5000
CERTIFICATE_ANNOTATION: Final = "k3s-registry/server-certificate"
_LABELS: Final = {"app": "registry"}
_POD_LABELS: Final = {**_LABELS, "name": "registry"}
_USER_ID: Final = 1000
_DRAIN_SECONDS: Final = 20
_PRE_STOP_SECONDS: Final = 5
"""Time for every kube-proxy to stop sending new connections to a pod that is going away."""


@dataclass(frozen=True, kw_only=True)
class RegistryArgs:
    """How the registry runs."""

    namespace: str
    create_namespace: bool
    storage: Storage
    image: str
    image_pull_policy: ImagePullPolicy
    node_selector: Mapping[str, str]
    load_balancer: LoadBalancer
    ip: str
    port: int
    server_certificate_pem: pulumi.Input[str]
    server_key_pem: pulumi.Input[str]


class Registry(pulumi.ComponentResource):
    """Namespace, Secret, PersistentVolumeClaim, Deployment and Service."""

    deployment: kubernetes.apps.v1.Deployment
    service: kubernetes.core.v1.Service

    def __init__(self, name: str, args: RegistryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("k3s-registry:index:Registry", name, {}, opts)
        within: list[pulumi.Resource] = []
        if args.create_namespace:
            within.append(
                kubernetes.core.v1.Namespace(
                    f"{name}-namespace",
                    metadata=kubernetes.meta.v1.ObjectMetaArgs(
                        name=args.namespace,
                        labels={"pod-security.kubernetes.io/enforce": "restricted"},
                        annotations=OURS_ALONE,
                    ),
                    # Kubernetes deletes the claim with its namespace, and knows nothing of the claim's protection.
                    opts=pulumi.ResourceOptions(parent=self, protect=args.storage.protect, delete_before_replace=True),
                )
            )
        certificate = pulumi.Output.from_input(args.server_certificate_pem)
        key = pulumi.Output.from_input(args.server_key_pem)
        secret = kubernetes.core.v1.Secret(
            f"{name}-certificate",
            metadata=_metadata(args.namespace, SECRET_NAME),
            type="kubernetes.io/tls",
            data={
                "tls.crt": certificate.apply(encoded),
                "tls.key": key.apply(encoded),
                "http.secret": key.apply(http_secret).apply(encoded),
            },
            opts=old_goes_first(self, within),
        )
        claim = kubernetes.core.v1.PersistentVolumeClaim(
            f"{name}-claim",
            metadata=_metadata(args.namespace, args.storage.claim_name),
            spec=kubernetes.core.v1.PersistentVolumeClaimSpecArgs(
                access_modes=[args.storage.access_mode.value],
                storage_class_name=args.storage.class_name,
                resources=kubernetes.core.v1.VolumeResourceRequirementsArgs(requests={"storage": args.storage.size}),
            ),
            # The images are in it: a changed class is planned as delete and create, and a destroy takes it along.
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=within, protect=args.storage.protect, delete_before_replace=True
            ),
        )
        self.deployment = kubernetes.apps.v1.Deployment(
            f"{name}-deployment",
            metadata=_metadata(args.namespace, DEPLOYMENT_NAME),
            spec=kubernetes.apps.v1.DeploymentSpecArgs(
                replicas=1,
                selector=kubernetes.meta.v1.LabelSelectorArgs(match_labels=_LABELS),
                strategy=strategy(args.storage.access_mode),
                template=kubernetes.core.v1.PodTemplateSpecArgs(
                    metadata=kubernetes.meta.v1.ObjectMetaArgs(
                        labels=_POD_LABELS,
                        # The registry reads its certificate once, at start: another one must be another pod.
                        annotations={CERTIFICATE_ANNOTATION: certificate.apply(certificate_hash)},
                    ),
                    spec=pod(args),
                ),
            ),
            opts=old_goes_first(self, [secret, claim], replace_with=[claim]),
        )
        self.service = kubernetes.core.v1.Service(
            f"{name}-service",
            # The provider would settle for ten seconds and then know less than the pull proof shows.
            metadata=_metadata(args.namespace, SERVICE_NAME, {"pulumi.com/skipAwait": "true"}),
            spec=service(args),
            opts=old_goes_first(self, within),
        )
        self.register_outputs({})


def old_goes_first(
    parent: pulumi.Resource,
    depends_on: Sequence[pulumi.Resource],
    replace_with: Sequence[pulumi.Resource] = (),
) -> pulumi.ResourceOptions:
    """Options of an object whose old form must be gone before the new one is proved.

    With another namespace both would stand for a while, and every node would prove the one that is about to go. A claim
    is not gone before the pod that mounts it: `replace_with`.
    """
    return pulumi.ResourceOptions(
        parent=parent, depends_on=list(depends_on), delete_before_replace=True, replace_with=list(replace_with)
    )


def revision(args: RegistryArgs) -> str:
    """A hash of what the registry is and where it runs."""
    storage = args.storage
    what = [args.namespace, args.image, storage.claim_name, storage.class_name, storage.access_mode.value]
    where = [args.load_balancer.value, sorted(args.node_selector.items())]
    return hashlib.sha256(json.dumps([what, where]).encode()).hexdigest()


OURS_ALONE: Final = {"pulumi.com/patchForce": "true"}
"""Without it, one field touched by hand (`kubectl scale`) makes every later `up` fail with a conflict."""


def pod(args: RegistryArgs) -> kubernetes.core.v1.PodSpecArgs:
    """The registry's pod, within the `restricted` pod security standard."""
    core = kubernetes.core.v1
    return core.PodSpecArgs(
        node_selector=dict(args.node_selector),
        affinity=affinity(args.storage.access_mode),
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
                persistent_volume_claim=core.PersistentVolumeClaimVolumeSourceArgs(claim_name=args.storage.claim_name),
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
                    label_selector=kubernetes.meta.v1.LabelSelectorArgs(match_labels=_LABELS),
                )
            ]
        )
    )


def service(args: RegistryArgs) -> kubernetes.core.v1.ServiceSpecArgs:
    """The registry's address on the LAN."""
    core = kubernetes.core.v1
    # Named by its number: the dry run of a preview knows the old port too, and two of one name are refused.
    ports = [
        core.ServicePortArgs(name=f"docker-{args.port}", protocol="TCP", port=args.port, target_port=CONTAINER_PORT)
    ]
    if args.load_balancer is LoadBalancer.NONE:
        # Somebody else routes the address to the nodes; there kube-proxy must know it.
        return core.ServiceSpecArgs(selector=_LABELS, type="ClusterIP", ports=ports, external_ips=[args.ip])
    # The field rather than MetalLB's annotation: that has changed its name, and the two together are refused.
    wanted = args.ip if args.load_balancer is LoadBalancer.METALLB else None
    return core.ServiceSpecArgs(selector=_LABELS, type="LoadBalancer", ports=ports, load_balancer_ip=wanted)


def encoded(text: str) -> str:
    """Base64, as a Secret's data has it."""
    return base64.b64encode(text.encode()).decode()


def http_secret(server_key_pem: str) -> str:
    """What signs the registry's upload tokens: derived from the server's key, so it needs no resource of its own."""
    return hashlib.sha256(b"k3s-registry http secret\n" + server_key_pem.encode()).hexdigest()


def certificate_hash(server_certificate_pem: str) -> str:
    """What makes a new pod for a new certificate."""
    return hashlib.sha256(server_certificate_pem.encode()).hexdigest()


def _metadata(
    namespace: str, name: str, annotations: Mapping[str, str] | None = None
) -> kubernetes.meta.v1.ObjectMetaArgs:
    return kubernetes.meta.v1.ObjectMetaArgs(
        name=name, namespace=namespace, labels=_LABELS, annotations={**OURS_ALONE, **(annotations or {})}
    )


def _probe(*, period: int, failures: int) -> kubernetes.core.v1.ProbeArgs:
    core = kubernetes.core.v1
    return core.ProbeArgs(
        http_get=core.HTTPGetActionArgs(path="/", port=CONTAINER_PORT, scheme="HTTPS"),
        period_seconds=period,
        failure_threshold=failures,
        timeout_seconds=5,
    )
