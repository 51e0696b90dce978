"""The registry's part of the configuration: its names, its address, and how it runs in the cluster."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from pydantic import Field

from components.config.auth import AuthSettings
from components.config.cache import Cache, UpstreamName
from components.config.cleanup import Cleanup
from components.config.monitoring import Monitoring
from components.config.storage import Replicas, Storage
from components.config.types import (
    Address,
    AnnotationName,
    Boolean,
    DnsName,
    Image,
    Label,
    Model,
    NodeLabelName,
    NodeLabelValue,
    Port,
    RegistryName,
)

_HTTPS: Final = 443
"""The port that a name without one means."""


class LoadBalancer(StrEnum):
    """Which part of the cluster announces the registry's address on the LAN."""

    METALLB = "metallb"
    SERVICELB = "servicelb"
    NONE = "none"


class ImagePullPolicy(StrEnum):
    """When the kubelet asks for the registry's own image."""

    IF_NOT_PRESENT = "IfNotPresent"
    ALWAYS = "Always"
    NEVER = "Never"


class ServiceSettings(Model):
    """The Service that has the registry's address."""

    annotations: Mapping[AnnotationName, str] = Field(
        default={},
        description="Annotations for the load balancer.",
        examples=[{"metallb.io/allow-shared-ip": "registry"}],
    )


class PodSettings(Model):
    """What pods learn of the registry, beyond the name of its Service."""

    names: Boolean = Field(
        default=False,
        description="Whether the cluster's DNS gives pods the address of hostname and aliases.",
        examples=[True],
    )
    trust_bundle: tuple[Label, ...] = Field(
        default=(),
        description="Existing namespaces that get the certificates of the authorities, as ConfigMap k3s-registry-ca.",
        examples=[["default"]],
    )
    announce: Boolean = Field(
        default=False,
        description="Whether ConfigMap local-registry-hosting in kube-public names the registry to tools (KEP-1755).",
        examples=[True],
    )

    @property
    def anything(self) -> bool:
        """Whether any of it is switched on."""
        return self.names or self.announce or bool(self.trust_bundle)


class RegistrySettings(Model):
    """The registry: its names, its address, and how it runs in the cluster."""

    hostname: RegistryName = Field(
        description="The registry's host name, in its certificate, in hosts files and in image names.",
        examples=["registry.cube.local"],
    )
    aliases: tuple[RegistryName, ...] = Field(
        default=(),
        description="Further names of the registry; each goes into the certificate and into every node's hosts file.",
        examples=[["registry"]],
    )
    address: Address = Field(
        validation_alias="ip",
        description="The registry's address on the LAN, as nodes see it.",
        examples=["192.168.0.202"],
    )
    port: Port = Field(default=5000, description="The registry's port on the LAN.", examples=[5000])
    namespace: Label = Field(
        default="docker-registry",
        description="The Kubernetes namespace of the registry.",
        examples=["docker-registry"],
    )
    create_namespace: Boolean = Field(
        default=True,
        description="Whether the namespace is created; false uses an existing one as it is.",
        examples=[True],
    )
    storage: Storage = Field(
        default_factory=Storage,
        description="The claim that holds the images, or the bucket that does so in its place.",
        examples=[{"className": "local-path", "size": "15Gi"}],
    )
    replicas: Replicas = Field(
        default=1,
        description="How many pods serve the registry, each on a node of its own where there are enough; more than one "
        "needs storage.s3.",
        examples=[2],
    )
    image: Image = Field(
        default="registry:3",
        description="The registry's image; pin it by digest outside a lab.",
        examples=["registry:3"],
    )
    image_pull_policy: ImagePullPolicy = Field(
        default=ImagePullPolicy.IF_NOT_PRESENT,
        description="When the kubelet asks for that image: IfNotPresent, Always or Never.",
        examples=["IfNotPresent"],
    )
    node_selector: Mapping[NodeLabelName, NodeLabelValue] = Field(
        default={"node-type": "worker"},
        description="Labels of the nodes that the registry may run on.",
        examples=[{"node-type": "worker"}],
    )
    load_balancer: LoadBalancer = Field(
        default=LoadBalancer.METALLB,
        description="Which part announces the address: metallb, servicelb (K3s's own) or none (other means route the "
        "address to the nodes).",
        examples=["metallb"],
    )
    service: ServiceSettings = Field(
        default_factory=ServiceSettings,
        description="The Service that has the registry's address.",
        examples=[{"annotations": {"metallb.io/allow-shared-ip": "registry"}}],
    )
    pods: PodSettings = Field(
        default_factory=PodSettings,
        description="What pods learn of the registry.",
        examples=[{"names": True, "trustBundle": ["default"]}],
    )
    monitoring: Monitoring = Field(
        default_factory=Monitoring,
        description="How the registry is watched by the cluster's own Prometheus and Grafana.",
        examples=[{"serviceMonitor": True, "alerts": True, "dashboard": True}],
    )
    network_policy: Boolean = Field(
        default=False,
        description="Whether a NetworkPolicy lets others reach the registry's port alone, and pods its metrics.",
        examples=[True],
    )
    priority_class: DnsName | None = Field(
        default=None,
        description="An existing PriorityClass for the registry's pod, for instance that of K3s's own addons.",
        examples=["system-cluster-critical"],
    )
    cleanup: Cleanup = Field(
        default_factory=Cleanup,
        description="The clean-up of old images, off without a schedule.",
        examples=[{"schedule": "30 3 * * 0", "keep": 10, "keepPatterns": ["v*"]}],
    )
    auth: AuthSettings = Field(
        default_factory=AuthSettings,
        description="Who needs a password; without users nobody does.",
        examples=[{"users": {"alice": "`pulumi config set --secret --path auth.users.alice`"}}],
    )
    cache: dict[UpstreamName, Cache] = Field(
        default_factory=dict,
        description="Upstreams whose images nodes pull through a cache in the cluster, by the name with which their "
        "images begin.",
        examples=[{"docker.io": {"ip": "10.43.0.53"}}],
    )

    @property
    def endpoint(self) -> str:
        """The one spelling of the registry that image names, hosts.toml and registries.yaml share."""
        return f"{self.hostname}:{self.port}"

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Every spelling that image names may have: clients ask for port 443 where a name has no port."""
        return (self.endpoint, self.hostname) if self.port == _HTTPS else (self.endpoint,)

    @property
    def pull_endpoint(self) -> str | None:
        """Where nodes pull images of the registry; None where they do so as everybody else."""
        return f"{self.hostname}:{self.auth.pull_port}" if self.auth.configured else None

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that the certificate contains and nodes resolve, the host name first."""
        return (self.hostname, *self.aliases)
