"""The stack's configuration as frozen models: each key with its type, default, meaning and example.

parse.py reads a user's document into them. Pulumi.yaml declares the same keys, since the CLI's own check knows
only types and stops at the first kind of problem that it meets.
"""

from collections.abc import Iterator
from enum import StrEnum
from functools import cached_property
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from components.certificates.plan import CertificatePlan
from components.config import cache, cleanup, rules, storage
from components.config.certificates import CertificateSettings
from components.config.nodes import HOST_KEY_EXAMPLE, Node, NodeSettings, Ssh
from components.config.problem import Problem, repetitions, shown
from components.config.registry import LoadBalancer, RegistrySettings
from components.config.types import (
    Boolean,
    Model,
    NodeName,
    Note,
    PrivateKey,
    WaveSize,
    refusal,
)


class Rollout(StrEnum):
    """Whether nodes are configured together, one after another, or few before many."""

    PARALLEL = "parallel"
    SERIAL = "serial"
    WAVES = "waves"


class Kubernetes(Model):
    """The cluster; None means the ambient kubeconfig's choice."""

    context: Note | None = Field(
        default=None,
        description="A context of the kubeconfig, where it is not the current one.",
        examples=["default"],
    )
    cluster_name: Note | None = Field(
        default=None,
        description="An identity of your choice that outlives changes of the kubeconfig.",
        examples=["home"],
    )


def _not_empty(nodes: dict[str, NodeSettings]) -> dict[str, NodeSettings]:
    if not nodes:
        rule = "the cluster has at least one node"
        raise refusal(rule, found="is missing or empty")
    return nodes


class StackConfig(RegistrySettings):
    """The whole configuration of one stack."""

    node_settings: Annotated[dict[NodeName, NodeSettings], AfterValidator(_not_empty)] = Field(
        validation_alias="nodes",
        description="Every machine of the cluster by the name that `kubectl get nodes` shows.",
        examples=[{"cube01": {"host": "192.168.0.11", "hostKey": HOST_KEY_EXAMPLE}}],
        json_schema_extra={"propertyNames": {"pattern": f"^{rules.DNS_NAME}$"}},
    )
    ssh: Ssh = Field(default_factory=Ssh, description="How nodes are reached.", examples=[{"user": "pi"}])
    ssh_private_key: PrivateKey = Field(
        default=SecretStr(""),
        description="The SSH client's private key, without a passphrase; without the key the SSH agent is asked.",
        examples=["`pulumi config set --secret sshPrivateKey < ~/.ssh/id_ed25519`"],
    )
    certificate_settings: CertificateSettings = Field(
        default_factory=CertificateSettings,
        validation_alias="certificates",
        description="The authorities that nodes trust, and the one that signs.",
        examples=[{"authorities": ["one", "two"], "issuer": "one"}],
    )
    ca_certificate: str = Field(
        default="",
        description="The certificate of the authority that certificates.external names, in PEM; after it those that "
        "signed it, up to the root.",
        examples=["`cat signing.crt root.crt | pulumi config set caCertificate`"],
    )
    ca_private_key: SecretStr = Field(
        default=SecretStr(""),
        description="The private key of that authority, in PEM; needed while it is the issuer.",
        examples=["`openssl pkey -in ca.key | pulumi config set --secret caPrivateKey`"],
    )
    system_trust: Boolean = Field(
        default=True,
        description="Whether the authorities also go into each node's system store, for docker and curl there.",
        examples=[True],
    )
    take_over: Boolean = Field(
        default=False,
        description="For one `pulumi up`: settings for this registry that were written by hand on the nodes, as the "
        "guide says, are set aside, and the guide's private key is removed from each node.",
        examples=[True],
    )
    rollout: Rollout = Field(
        default=Rollout.PARALLEL,
        description="How nodes are visited: parallel, serial (one after another, servers last) or waves (few before "
        "many). In the latter two, later nodes wait for the proof of earlier ones. Only serial lets a node restart K3s "
        "where that cannot be avoided.",
        examples=["serial"],
    )
    waves: tuple[WaveSize, ...] = Field(
        default=("1", "10%"),
        description="With rollout waves: how many nodes are done after each wave, as numbers or percentages in quotes; "
        "one more wave has the rest.",
        examples=[["1", "10%", "50%"]],
    )
    audit: Note = Field(
        default="",
        description="Any new value applies and proves every node again, for instance `pulumi up -c audit=$(date +%F)`.",
        examples=["2026-01-31"],
    )
    kubernetes: Kubernetes = Field(
        default_factory=Kubernetes,
        description="The cluster, where it is not the ambient kubeconfig's.",
        examples=[{"context": "default"}],
    )
    kubeconfig: SecretStr = Field(
        default=SecretStr(""),
        description="A kubeconfig's content; without it the ambient one is used.",
        examples=["`pulumi config set --secret kubeconfig < ~/.kube/config`"],
    )

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Every machine, with the stack's SSH settings where it has none of its own."""
        return tuple(
            Node(
                name=name,
                host=node.host,
                host_key=node.host_key,
                ssh=self.ssh.model_copy(update=node.model_dump(include={"user", "port"}, exclude_none=True)),
                offline=node.offline,
                role=node.role,
            )
            for name, node in self.node_settings.items()
        )

    @cached_property
    def certificates(self) -> CertificatePlan:
        """Which authorities nodes trust, which one signs, and how long certificates last."""
        return self.certificate_settings.plan(self.ca_certificate)

    def conflicts(self) -> Iterator[Problem]:
        """Rules that concern more than one key."""
        yield from repetitions("aliases", self.aliases)
        if self.hostname in self.aliases:
            yield Problem(
                key="aliases",
                found=f"found {shown(self.hostname)}",
                rule="an alias must differ from hostname",
                example="[registry]",
                reads=("hostname",),
            )
        yield from repetitions("pods.trustBundle", self.pods.trust_bundle)
        yield from self.auth.conflicts(self.port)
        if self.rollout is not Rollout.WAVES and self.waves != type(self).model_fields["waves"].default:
            yield Problem(
                key="waves",
                found=f"found {shown(list(self.waves))}",
                rule="only rollout waves follows it",
                example="remove the key, or set rollout: waves",
                reads=("rollout",),
            )
        yield from self._own_image()
        yield from self._shared_addresses()
        yield from self._second_addresses()
        yield from storage.conflicts(self)
        yield from cleanup.conflicts(self)
        yield from cache.conflicts(self)
        yield from self.certificate_settings.conflicts(self.ca_certificate, self.ca_private_key.get_secret_value())

    def _own_image(self) -> Iterator[Problem]:
        host, slash, _ = self.image.partition("/")
        hosts = (*self.names, self.address)
        ports = {self.port, self.auth.pull_port} if self.auth.configured else {self.port}
        ourselves = {f"{name}:{port}" for name in hosts for port in ports} | set(self.endpoints)
        if self.hostname in self.endpoints:
            # A name without a dot would be a user of Docker Hub.
            ourselves |= {name for name in hosts if "." in name}
        if slash and host in ourselves:
            yield Problem(
                key="image",
                found=f"found {shown(self.image)}",
                rule="the registry would have to serve its own image before it runs, so no other node could start it",
                example="registry:3",
                reads=("hostname", "aliases", "ip", "port"),
            )

    def _second_addresses(self) -> Iterator[Problem]:
        for name in self.service.annotations:
            if self.load_balancer is LoadBalancer.METALLB and name.lower().endswith("/loadbalancerips"):
                yield Problem(
                    key="service.annotations",
                    found=f"found {shown(name)}",
                    rule="the address comes from ip alone: MetalLB refuses a Service that asks for it twice",
                    example="{metallb.io/allow-shared-ip: registry}",
                    reads=("loadBalancer",),
                )

    def _shared_addresses(self) -> Iterator[Problem]:
        owners: dict[tuple[str, int], str] = {}
        for node in self.nodes:
            key = f"nodes.{node.name}.host"
            owner = owners.setdefault((node.host, node.ssh.port), node.name)
            if owner != node.name:
                yield Problem(
                    key=key,
                    found=f"found {shown(node.host)}",
                    rule=f"nodes.{owner} has the same address and port: each node must have its own",
                    example="192.168.0.12",
                    reads=(f"nodes.{owner}.host", f"nodes.{owner}.port", f"nodes.{node.name}.port", "ssh.port"),
                )
            if node.host == self.address and self.load_balancer is LoadBalancer.METALLB:
                yield Problem(
                    key="ip",
                    found=f"found {shown(self.address)}",
                    rule=f"nodes.{node.name} answers at that address: with MetalLB the registry needs one of its own",
                    example="a free address from MetalLB's pool",
                    reads=(key, "loadBalancer"),
                )
