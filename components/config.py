"""The stack's configuration: what the user wrote, checked, as frozen values.

Pulumi.yaml declares and describes each key; the rules stand here, because the CLI's own check knows only types and
stops at the first kind of problem it meets.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from components import config_certificates
from components import config_rules as rules
from components.certificate_plan import CertificatePlan
from components.config_section import REQUIRED, Problem, Section, shown

DEFAULT_PORT: Final = 5000
SECRET_KEYS: Final = ("sshPrivateKey", "kubeconfig", "caPrivateKey")
_HIGHEST_PORT: Final = 65535
_HOST_KEY_EXAMPLE: Final = "the line that `ssh-keyscan -t ed25519 HOST` prints, without the host name"


class ConfigError(Exception):
    """The configuration is wrong; the message lists every problem found."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"the stack configuration has {count}; nothing was contacted:\n{lines}")


class LoadBalancer(StrEnum):
    """Who gives the registry its address on the LAN."""

    METALLB = "metallb"
    SERVICELB = "servicelb"
    NONE = "none"


class Rollout(StrEnum):
    """Whether nodes are configured together or one after another."""

    PARALLEL = "parallel"
    SERIAL = "serial"


class Role(StrEnum):
    """What a node is to K3s."""

    SERVER = "server"
    AGENT = "agent"


class ImagePullPolicy(StrEnum):
    """When the kubelet asks for the registry's own image."""

    IF_NOT_PRESENT = "IfNotPresent"
    ALWAYS = "Always"
    NEVER = "Never"


class AccessMode(StrEnum):
    """How the claim may be mounted."""

    READ_WRITE_ONCE = "ReadWriteOnce"
    READ_WRITE_ONCE_POD = "ReadWriteOncePod"
    READ_WRITE_MANY = "ReadWriteMany"


@dataclass(frozen=True, kw_only=True)
class Ssh:
    """How a node is reached."""

    user: str
    port: int
    dial_timeout: int
    """Seconds for one attempt to connect."""
    dial_tries: int


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


@dataclass(frozen=True, kw_only=True)
class Storage:
    """The claim that holds the images."""

    claim_name: str
    class_name: str
    size: str
    access_mode: AccessMode
    protect: bool


@dataclass(frozen=True, kw_only=True)
class Kubernetes:
    """Which cluster; None means the ambient kubeconfig's choice."""

    context: str | None
    cluster_name: str | None


@dataclass(frozen=True, kw_only=True)
class StackConfig:
    """The whole configuration of one stack."""

    hostname: str
    aliases: tuple[str, ...]
    ip: str
    port: int
    nodes: tuple[Node, ...]
    namespace: str
    create_namespace: bool
    storage: Storage
    image: str
    image_pull_policy: ImagePullPolicy
    node_selector: Mapping[str, str]
    load_balancer: LoadBalancer
    certificates: CertificatePlan
    system_trust: bool
    rollout: Rollout
    audit: str
    kubernetes: Kubernetes


def parse(values: Mapping[str, Any], *, encrypted: Collection[str] = ()) -> StackConfig:
    """Turn the stack's keys, without their namespace, into a checked configuration.

    Args:
        values: what the user wrote, by key.
        encrypted: the keys that are stored as secrets.

    Raises:
        ConfigError: listing every problem there is.

    """
    problems: list[Problem] = []
    top = Section(values, problems)
    # Read by __main__, as secrets; named here so that they are not refused as unknown.
    for secret in SECRET_KEYS:
        if top.text(secret, "", rules.anything, "") and secret not in encrypted:
            command = f"`pulumi config set --secret {secret}` reads it from standard input"
            top.refuse(secret, "stands in the stack file unencrypted", "it must be a secret", command)
    ssh = _ssh(top.section("ssh"), Ssh(user="root", port=22, dial_timeout=3, dial_tries=2))
    kubernetes = top.section("kubernetes")
    config = StackConfig(
        hostname=top.text("hostname", REQUIRED, rules.registry_name, "registry.cube.local"),
        aliases=top.texts("aliases", rules.registry_name, "[registry]"),
        ip=rules.canonical(top.text("ip", REQUIRED, rules.address, "192.168.0.202")),
        port=top.integer("port", DEFAULT_PORT, 1, _HIGHEST_PORT),
        nodes=_nodes(top, ssh),
        namespace=top.text("namespace", "docker-registry", rules.label, "docker-registry"),
        create_namespace=top.boolean("createNamespace", default=True),
        storage=_storage(top.section("storage")),
        image=top.text("image", "registry:3", rules.image, "registry:3"),
        image_pull_policy=top.choice("imagePullPolicy", ImagePullPolicy.IF_NOT_PRESENT),
        node_selector=top.labels("nodeSelector", {"node-type": "worker"}),
        load_balancer=top.choice("loadBalancer", LoadBalancer.METALLB),
        certificates=config_certificates.read(top.section("certificates"), top),
        system_trust=top.boolean("systemTrust", default=True),
        rollout=top.choice("rollout", Rollout.PARALLEL),
        audit=top.text("audit", "", rules.note, "2026-01-31"),
        kubernetes=Kubernetes(
            context=kubernetes.text("context", "", rules.note, "default") or None,
            cluster_name=kubernetes.text("clusterName", "", rules.note, "home") or None,
        ),
    )
    kubernetes.finish()
    top.finish()
    _compare(top, config)
    if problems:
        raise ConfigError(problems)
    return config


def _ssh(section: Section, fallback: Ssh) -> Ssh:
    ssh = Ssh(
        user=section.text("user", fallback.user, rules.user, "root"),
        port=section.integer("port", fallback.port, 1, _HIGHEST_PORT),
        dial_timeout=section.integer("dialTimeout", fallback.dial_timeout, 1, 60),
        dial_tries=section.integer("dialTries", fallback.dial_tries, 1, 20),
    )
    section.finish()
    return ssh


def _nodes(top: Section, ssh: Ssh) -> tuple[Node, ...]:
    example = "{host: 192.168.0.11, hostKey: ssh-ed25519 AAAA...}"
    nodes: list[Node] = []
    for name, section in top.sections("nodes", example).items():
        wrong = rules.dns_name(name)
        if wrong is not None:
            top.refuse("nodes", f"found the node name {shown(name)}", wrong, "the name that `kubectl get nodes` shows")
        node = Node(
            name=name,
            host=rules.canonical(section.text("host", REQUIRED, rules.host, "192.168.0.11")),
            host_key=section.text("hostKey", REQUIRED, rules.host_key, _HOST_KEY_EXAMPLE),
            ssh=Ssh(
                user=section.text("user", ssh.user, rules.user, "root"),
                port=section.integer("port", ssh.port, 1, _HIGHEST_PORT),
                dial_timeout=ssh.dial_timeout,
                dial_tries=ssh.dial_tries,
            ),
            offline=section.boolean("offline", default=False),
            role=section.optional_choice("role", Role),
        )
        section.finish()
        nodes.append(node)
    if not nodes:
        top.refuse("nodes", "is missing or empty", "the cluster has at least one node", f"cube01: {example}")
    return tuple(nodes)


def _storage(section: Section) -> Storage:
    storage = Storage(
        claim_name=section.text("claimName", "longhorn-docker-registry-pvc", rules.dns_name, "registry-images"),
        class_name=section.text("className", "longhorn", rules.dns_name, "longhorn"),
        size=section.text("size", "15Gi", rules.quantity, "15Gi"),
        access_mode=section.choice("accessMode", AccessMode.READ_WRITE_ONCE),
        protect=section.boolean("protect", default=True),
    )
    section.finish()
    return storage


def _compare(top: Section, config: StackConfig) -> None:
    """Rules that concern more than one key."""
    if config.hostname and config.hostname in config.aliases:
        top.refuse("aliases", f"found {shown(config.hostname)}", "an alias must differ from hostname", "[registry]")
    owners: dict[tuple[str, int], str] = {}
    for node in config.nodes:
        where = (node.host, node.ssh.port)
        if node.host and where in owners:
            rule = f"nodes.{owners[where]} has the same address and port: each node must have its own"
            top.refuse(f"nodes.{node.name}.host", f"found {shown(node.host)}", rule, "192.168.0.12")
        owners.setdefault(where, node.name)
        if node.host == config.ip and node.host and config.load_balancer is LoadBalancer.METALLB:
            rule = f"nodes.{node.name} answers at that address: with MetalLB the registry needs one of its own"
            top.refuse("ip", f"found {shown(config.ip)}", rule, "a free address from MetalLB's pool")
