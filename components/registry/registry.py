"""The registry itself: namespace, key pair, storage, workload and address.

Object names are the guide's, so that a cluster built by hand can be taken over with its images. This component does not
wait until the address answers: the pull proof does, and it sees more.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_kubernetes as kubernetes

from components.config.registry import LoadBalancer, RegistrySettings
from components.registry import handover
from components.registry.address import SERVICE_NAME
from components.registry.claim import claim
from components.registry.metadata import OVERWRITE_MANUAL_CHANGES, object_metadata
from components.registry.network_policy import network_policy
from components.registry.passwords import (
    NODES_CONTAINER_PORT,
    PASSWORDS_ANNOTATION,
    PasswordsGuard,
    configured_stage,
    password_files,
    proof_login,
)
from components.registry.pod import CONTAINER_PORT, LABELS, POD_LABELS, SECRET_NAME, pod, strategy
from components.registry.s3 import S3_ANNOTATION, bucket_place, disruption_budget, s3_files
from components.registry.secret_data import encoded, http_secret

_DEPLOYMENT_NAME: Final = "registry"
_CERTIFICATE_ANNOTATION: Final = "k3s-registry/server-certificate"


@dataclass(frozen=True, kw_only=True)
class RegistryArgs:
    """How the registry runs, and its key pair."""

    settings: RegistrySettings
    server_certificate_pem: pulumi.Input[str]
    server_key_pem: pulumi.Input[str]
    passwords: pulumi.Input[Mapping[str, str]]
    """By user name, as a secret."""
    s3_keys: pulumi.Input[Mapping[str, str]]
    """Those of the bucket, by their names in the configuration, as a secret; empty without a bucket."""


class Registry(pulumi.ComponentResource):
    """Namespace, Secret, PersistentVolumeClaim, Deployment and Service."""

    namespace: list[pulumi.Resource]
    """The namespace; empty where another one is used as it is."""
    deployment: kubernetes.apps.v1.Deployment
    service: kubernetes.core.v1.Service
    guard: PasswordsGuard
    login: pulumi.Output[str] | None
    """With which the proof pushes; None without users."""
    revision: pulumi.Output[str]
    """Changes with the registry's image, storage and place, and where Deployment or Service is created anew."""

    def __init__(self, name: str, args: RegistryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("k3s-registry:index:Registry", name, {}, opts)
        settings = args.settings
        self.namespace = namespace = list[pulumi.Resource]()
        if settings.create_namespace:
            namespace.append(
                kubernetes.core.v1.Namespace(
                    f"{name}-namespace",
                    metadata=kubernetes.meta.v1.ObjectMetaArgs(
                        name=settings.namespace,
                        labels={"pod-security.kubernetes.io/enforce": "restricted"},
                        annotations=OVERWRITE_MANUAL_CHANGES,
                    ),
                    # Kubernetes deletes the claim with its namespace, and does not know that Pulumi protects the claim.
                    opts=pulumi.ResourceOptions(
                        parent=self, protect=settings.storage.protected, delete_before_replace=True
                    ),
                )
            )
        self.guard = PasswordsGuard(settings.auth)
        certificate = pulumi.Output.from_input(args.server_certificate_pem)
        key = pulumi.Output.from_input(args.server_key_pem)
        # Also while nobody needs it: in the `up` that opens the registry, a former pod may still ask for it.
        self.login = pulumi.Output.secret(key.apply(proof_login)) if settings.auth.configured else None
        files = password_files(self, name, args.passwords, key) if settings.auth.configured else None
        bucket = s3_files(settings.storage.s3, args.s3_keys, key)
        secret = kubernetes.core.v1.Secret(
            f"{name}-certificate",
            metadata=object_metadata(settings.namespace, SECRET_NAME),
            type="kubernetes.io/tls",
            data={
                "tls.crt": certificate.apply(encoded),
                "tls.key": key.apply(encoded),
                "http.secret": key.apply(http_secret).apply(encoded),
                **({} if files is None else files.data),
                **({} if bucket is None else bucket.data),
            },
            opts=delete_first(self, namespace),
        )
        volume = claim(f"{name}-claim", settings, self, namespace)
        cleanup = list[pulumi.Resource]()
        labels = POD_LABELS
        annotations: dict[str, pulumi.Input[str]] = {
            # The registry reads its certificate only at start, so another certificate needs another pod.
            _CERTIFICATE_ANNOTATION: certificate.apply(certificate_hash)
        }
        if files is not None:
            annotations[PASSWORDS_ANNOTATION] = files.revision
        if bucket is not None:
            annotations[S3_ANNOTATION] = bucket.revision
        spec = pod(settings)
        if settings.cleanup.schedule is not None:
            labels = POD_LABELS | handover.LABELS
            annotations[handover.SCRIPTS_ANNOTATION] = handover.scripts_hash()
            handover.add_to(spec)
            cleanup.append(
                kubernetes.core.v1.ConfigMap(
                    f"{name}-scripts",
                    metadata=object_metadata(settings.namespace, handover.SCRIPTS_NAME),
                    data=dict(handover.scripts()),
                    opts=delete_first(self, namespace),
                )
            )
        self.deployment = kubernetes.apps.v1.Deployment(
            f"{name}-deployment",
            metadata=object_metadata(settings.namespace, _DEPLOYMENT_NAME),
            spec=kubernetes.apps.v1.DeploymentSpecArgs(
                replicas=settings.replicas,
                selector=kubernetes.meta.v1.LabelSelectorArgs(match_labels=LABELS),
                strategy=strategy(settings.storage),
                template=kubernetes.core.v1.PodTemplateSpecArgs(
                    metadata=kubernetes.meta.v1.ObjectMetaArgs(labels=labels, annotations=annotations),
                    spec=spec,
                ),
            ),
            opts=pulumi.ResourceOptions.merge(
                delete_first(self, [secret, *volume, *cleanup], replace_with=[*namespace, *volume]),
                pulumi.ResourceOptions(hooks=self.guard.hook(f"{name}-deployment")),
            ),
        )
        self.service = kubernetes.core.v1.Service(
            f"{name}-service",
            # Awaiting the Service would take ten seconds and show less than the pull proof does.
            metadata=object_metadata(
                settings.namespace, SERVICE_NAME, {**settings.service.annotations, "pulumi.com/skipAwait": "true"}
            ),
            spec=service(settings),
            opts=delete_first(self, namespace),
        )
        if settings.replicas > 1:
            kubernetes.policy.v1.PodDisruptionBudget(
                f"{name}-disruption-budget",
                metadata=object_metadata(settings.namespace, _DEPLOYMENT_NAME),
                spec=disruption_budget(LABELS),
                opts=delete_first(self, namespace),
            )
        if settings.network_policy:
            kubernetes.networking.v1.NetworkPolicy(
                f"{name}-network-policy",
                metadata=object_metadata(settings.namespace, _DEPLOYMENT_NAME),
                spec=network_policy(settings.monitoring, settings.auth),
                opts=delete_first(self, namespace),
            )
        objects = pulumi.Output.all(self.deployment.metadata, self.service.metadata)
        self.revision = objects.apply(
            lambda known: registry_revision(settings, [metadata.get("uid") for metadata in known])
        )
        self.register_outputs({})


def delete_first(
    parent: pulumi.Resource,
    depends_on: Sequence[pulumi.Resource],
    replace_with: Sequence[pulumi.Resource] = (),
) -> pulumi.ResourceOptions:
    """Options of an object that must be deleted before its replacement is created.

    In a new namespace, create-before-delete would leave two registries, and the nodes would prove the old one. A claim
    exists until the pod that mounts it is deleted, so the Deployment is replaced together with the claim; and with the
    namespace, since Kubernetes takes 31 s to delete one that still has such a pod, and 16 s for both in this order.
    """
    return pulumi.ResourceOptions(
        parent=parent, depends_on=list(depends_on), delete_before_replace=True, replace_with=list(replace_with)
    )


def registry_revision(settings: RegistrySettings, uids: Sequence[str | None]) -> str:
    """A hash of the registry's image, storage and place, and of the objects' identities.

    Another one requires another proof. `pulumi up --refresh` creates deleted objects anew, from the same inputs: only
    the uid shows that nobody has pulled from them yet.
    """
    storage = settings.storage
    images = [storage.claim_name, storage.class_name, storage.access_mode.value]
    workload = [settings.namespace, settings.image, *(images if storage.s3 is None else bucket_place(storage.s3))]
    place = [
        settings.load_balancer.value,
        sorted(settings.node_selector.items()),
        sorted(settings.service.annotations.items()),
    ]
    # Whether a password is needed changes what a proof shows; without users nothing is added, so nothing changes.
    doors = [configured_stage(settings.auth), settings.auth.pull_port] if settings.auth.configured else []
    return hashlib.sha256(json.dumps([workload, place, list(uids), *doors]).encode()).hexdigest()


def service(settings: RegistrySettings) -> kubernetes.core.v1.ServiceSpecArgs:
    """The registry's address on the LAN."""
    core = kubernetes.core.v1
    targets = {settings.port: CONTAINER_PORT}
    if settings.auth.configured:
        targets[settings.auth.pull_port] = NODES_CONTAINER_PORT
    # The name holds the number: in a preview's dry run the old port is still there, and a duplicate name is refused.
    ports = [
        core.ServicePortArgs(name=f"docker-{port}", protocol="TCP", port=port, target_port=target)
        for port, target in targets.items()
    ]
    # A cluster gives a Service only its first IP family, which is IPv4 on most clusters.
    families = ["IPv6"] if ":" in settings.address else None
    if settings.load_balancer is LoadBalancer.NONE:
        # The address is routed to the nodes by other means, and kube-proxy must accept it there.
        return core.ServiceSpecArgs(
            selector=LABELS, type="ClusterIP", ports=ports, external_ips=[settings.address], ip_families=families
        )
    # The field, not MetalLB's annotation: the annotation's name has changed, and MetalLB refuses both together.
    wanted = settings.address if settings.load_balancer is LoadBalancer.METALLB else None
    return core.ServiceSpecArgs(
        selector=LABELS, type="LoadBalancer", ports=ports, load_balancer_ip=wanted, ip_families=families
    )


def certificate_hash(server_certificate_pem: str) -> str:
    """Changes with the certificate, and so rolls the pod."""
    return hashlib.sha256(server_certificate_pem.encode()).hexdigest()
