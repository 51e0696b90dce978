"""The stack's configuration as frozen models: each key with its type, default, meaning and example.

parse.py reads a user's document into them. Pulumi.yaml declares the same keys, since the CLI's own check knows
only types and stops at the first kind of problem that it meets.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Final

from pydantic import AfterValidator, Field, SecretStr

from components.certificates.plan import CertificatePlan
from components.config import rules
from components.config.certificates import CertificateSettings
from components.config.problem import Problem, repetitions, shown
from components.config.registry import LoadBalancer, RegistrySettings
from components.config.types import (
    Boolean,
    Host,
    HostKey,
    Integer,
    Model,
    NodeName,
    Note,
    Port,
    PrivateKey,
    User,
    refusal,
)

_HOST_KEY: Final = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK9vzGeAGyDClVeJUe+UJ7C8zs5ip6h6jVzyj9/dcx4R"


class Rollout(StrEnum):
    """Whether nodes are configured together or one after another."""

    PARALLEL = "parallel"
    SERIAL = "serial"


class Role(StrEnum):
    """The part that a node plays in K3s."""

    SERVER = "server"
    AGENT = "agent"


class Proxy(Model):
    """The jump host: a machine through which nodes are reached."""

    host: Host = Field(description="The address or DNS name at which its SSH server answers.", examples=["203.0.113.7"])
    host_key: HostKey = Field(
        description="Its SSH server's public key, pinned as a node's is.",
        examples=[_HOST_KEY],
    )
    user: User = Field(default="root", description="The login name there.", examples=["jump"])
    port: Port = Field(default=22, description="The port of its SSH server.", examples=[22])


class Ssh(Model):
    """How a node is reached."""

    user: User = Field(
        default="root",
        description="The login name; a user other than root needs `sudo -n`.",
        examples=["root"],
    )
    port: Port = Field(default=22, description="The port of the SSH server.", examples=[22])
    dial_timeout: Annotated[Integer, Field(ge=1, le=60)] = Field(
        default=3,
        description="Seconds for one attempt to connect.",
        examples=[3],
    )
    dial_tries: Annotated[Integer, Field(ge=1, le=20)] = Field(
        default=2,
        description="How many attempts to connect are made.",
        examples=[2],
    )
    proxy: Proxy | None = Field(
        default=None,
        description="The jump host through which every node is reached, with the same key or agent.",
        examples=[{"host": "203.0.113.7", "hostKey": _HOST_KEY, "user": "jump"}],
    )


class NodeSettings(Model):
    """One entry of `nodes` as the user wrote it."""

    host: Host = Field(
        description="The address or DNS name at which its SSH server answers.",
        examples=["192.168.0.11"],
    )
    host_key: HostKey = Field(
        description="Its SSH server's public key, ed25519 or ECDSA: the line that `ssh-keyscan -t ed25519 HOST` "
        "prints, without the host name.",
        examples=[_HOST_KEY],
    )
    user: User | None = Field(
        default=None,
        description="The login name, where it differs from ssh.user.",
        examples=["root"],
    )
    port: Port | None = Field(
        default=None,
        description="The port of its SSH server, where it differs from ssh.port.",
        examples=[22],
    )
    offline: Boolean = Field(
        default=False,
        description="Whether the node is off: nothing contacts it then.",
        examples=[True],
    )
    role: Role | None = Field(
        default=None,
        description="Its part in K3s; with rollout serial, servers come last.",
        examples=["agent"],
    )


@dataclass(frozen=True, kw_only=True)
class Node:
    """One machine of the cluster."""

    name: str
    """Its name in Kubernetes, and in this program's resources."""
    host: str
    host_key: str
    ssh: Ssh
    offline: bool
    role: Role | None = None
    """None where the configuration does not say: it then counts as an agent, and the node is not asked."""


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
        examples=[{"cube01": {"host": "192.168.0.11", "hostKey": _HOST_KEY}}],
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
        description="How nodes are visited: parallel or serial (one after another, servers last). Only serial lets a "
        "node restart K3s where that cannot be avoided.",
        examples=["serial"],
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
        yield from self._shared_addresses()
        yield from self._second_addresses()
        yield from self.certificate_settings.conflicts(self.ca_certificate, self.ca_private_key.get_secret_value())

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
