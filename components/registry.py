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

from components.config_registry import ImagePullPolicy, LoadBalancer, Storage
from components.registry_pod import CONTAINER_PORT, LABELS, POD_LABELS, SECRET_NAME, PodArgs, pod, strategy

DEPLOYMENT_NAME: Final = "registry"
SERVICE_NAME: Final = "registry-service"
CERTIFICATE_ANNOTATION: Final = "k3s-registry/server-certificate"


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
                parent=self,
                depends_on=within,
                protect=args.storage.protect,
                delete_before_replace=True,
                # The cluster fills it in, so a claim that was imported has it: taking it out would replace the claim.
                ignore_changes=["spec.volumeName"],
            ),
        )
        self.deployment = kubernetes.apps.v1.Deployment(
            f"{name}-deployment",
            metadata=_metadata(args.namespace, DEPLOYMENT_NAME),
            spec=kubernetes.apps.v1.DeploymentSpecArgs(
                replicas=1,
                selector=kubernetes.meta.v1.LabelSelectorArgs(match_labels=LABELS),
                strategy=strategy(args.storage.access_mode),
                template=kubernetes.core.v1.PodTemplateSpecArgs(
                    metadata=kubernetes.meta.v1.ObjectMetaArgs(
                        labels=POD_LABELS,
                        # The registry reads its certificate once, at start: another one must be another pod.
                        annotations={CERTIFICATE_ANNOTATION: certificate.apply(certificate_hash)},
                    ),
                    spec=pod(
                        PodArgs(
                            image=args.image,
                            image_pull_policy=args.image_pull_policy,
                            node_selector=args.node_selector,
                            claim_name=args.storage.claim_name,
                            access_mode=args.storage.access_mode,
                        )
                    ),
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


def service(args: RegistryArgs) -> kubernetes.core.v1.ServiceSpecArgs:
    """The registry's address on the LAN."""
    core = kubernetes.core.v1
    # Named by its number: the dry run of a preview knows the old port too, and two of one name are refused.
    ports = [
        core.ServicePortArgs(name=f"docker-{args.port}", protocol="TCP", port=args.port, target_port=CONTAINER_PORT)
    ]
    # A cluster gives a Service its first family only, and that is IPv4 on most.
    families = ["IPv6"] if ":" in args.ip else None
    if args.load_balancer is LoadBalancer.NONE:
        # Somebody else routes the address to the nodes; there kube-proxy must know it.
        return core.ServiceSpecArgs(
            selector=LABELS, type="ClusterIP", ports=ports, external_ips=[args.ip], ip_families=families
        )
    # The field rather than MetalLB's annotation: that has changed its name, and the two together are refused.
    wanted = args.ip if args.load_balancer is LoadBalancer.METALLB else None
    return core.ServiceSpecArgs(
        selector=LABELS, type="LoadBalancer", ports=ports, load_balancer_ip=wanted, ip_families=families
    )


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
        name=name, namespace=namespace, labels=LABELS, annotations={**OURS_ALONE, **(annotations or {})}
    )
