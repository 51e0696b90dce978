"""The nodes to ask, and the script for each: from a stack, or from the command line for a registry of others."""

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from components.config.model import StackConfig
from components.config.nodes import Node
from components.nodes import probe_image, script, trust
from components.nodes.files import CA_FILE
from components.registry.address import qualified_service_name
from ops.failure import OpsError
from ops.stack import Stack

_AT_ONCE: Final = 32
_THROUGH_ONE_HOST: Final = 8
"""An SSH server drops logins at random from the eleventh that is under way (MaxStartups), a jump host too."""
_PORT: Final = 5000
_FOREIGN: Final = {
    "foreign": "true",
    "address": "",
    "registry_service": "NAMESPACE/SERVICE",
    "digest": "",
    "names": "",
    "system_trust": "false",
    "ca_file": CA_FILE,
    "fingerprints": "",
    "authorities": "",
    "mirrors_entry": "",
    "configs_entry": "",
    "hosts_toml": "",
    "trust_revision": "",
    "proof_revision": "",
}
"""What nobody knows about a registry that this program did not install."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """One node to ask."""

    name: str
    """Its name; for a registry of others, the destination that `ssh` is given."""
    settings: Mapping[str, str]
    node: Node | None = None
    """How the stack reaches it; None leaves everything to OpenSSH's own configuration."""

    def stdin(self) -> str:
        """The script, with the time at which it sets off."""
        moment = {"second": str(int(time.time())), "repository": probe_image.REPOSITORY, "wait_seconds": "10"}
        return script.render(script.DOCTOR, {"node": self.name.rpartition("@")[2], **self.settings, **moment})


@dataclass(frozen=True, kw_only=True)
class Asked:
    """All nodes, and how to log in there."""

    registry: str
    targets: tuple[Target, ...]
    private_key: str = ""
    """The stack's own; empty leaves it to OpenSSH's identities and agent."""
    user: str | None = None
    at_once: int = _AT_ONCE


def stack_targets(stack: Stack, arguments: argparse.Namespace) -> Asked:
    """The nodes of a stack, as its configuration lists them.

    Raises:
        OpsError: the stack cannot be read, has not been deployed, or lacks a node that was named.

    """
    for name in ("port", "user"):
        if getattr(arguments, name) is not None:
            message = f"found --{name} without --host: the stack knows it; give --host too, or leave --{name} out"
            raise OpsError(message)
    config = stack.configuration()
    sent = _sent(stack)
    known = {node.name: node for node in config.nodes}
    unknown = [name for name in arguments.nodes if name not in known]
    if unknown:
        message = f"{stack} has no node {', '.join(unknown)}: it lists {', '.join(known)}; correct --nodes"
        raise OpsError(message)
    nodes = [known[name] for name in arguments.nodes or known]
    return Asked(
        registry=config.endpoint,
        targets=tuple(Target(name=node.name, node=node, settings=_settings(node, config, sent)) for node in nodes),
        private_key=config.ssh_private_key.get_secret_value(),
        at_once=_AT_ONCE if config.ssh.proxy is None else _THROUGH_ONE_HOST,
    )


@dataclass(frozen=True)
class _Sent:
    """What the last `up` gave the nodes."""

    bundle: str
    digests: Mapping[str, str]
    """Of the images that they pulled; none if it failed."""


def _sent(stack: Stack) -> _Sent:
    # From components, since a failed `up` leaves a stack without outputs, and that is when a doctor is called.
    outputs = {resource["type"]: resource.get("outputs", {}) for resource in stack.resources()}
    bundle = outputs.get("k3s-registry:index:Certificates", {}).get("bundlePem")
    if not isinstance(bundle, str):
        message = f"{stack} has no certificates yet: run `pulumi up` first"
        raise OpsError(message)
    return _Sent(bundle, outputs.get("k3s-registry:index:PullProof", {}).get("digests") or {})


def _settings(node: Node, config: StackConfig, sent: _Sent) -> dict[str, str]:
    pulled = sent.digests.get(node.name)
    return {
        **trust.settings(node.name, config, sent.bundle),
        **trust.exceptions(node, config),
        "foreign": "",
        "registry_service": qualified_service_name(config.namespace),
        "digest": f"@{pulled}" if pulled else "",
        "proof_revision": "",
    }


def foreign_targets(arguments: argparse.Namespace) -> Asked:
    """The nodes that the command line names.

    Raises:
        OpsError: it names none, or a stack too.

    """
    if arguments.stack is not None:
        message = "found --host and --stack: a registry is the stack's or another one; leave one of them out"
        raise OpsError(message)
    if not arguments.nodes:
        message = "found --host without --nodes: without a stack nobody knows the nodes; add --nodes cube01,cube02"
        raise OpsError(message)
    port = arguments.port or _PORT
    settings = _FOREIGN | {"hostname": arguments.host, "port": str(port)}
    return Asked(
        registry=f"{arguments.host}:{port}",
        targets=tuple(Target(name=name, settings=settings) for name in arguments.nodes),
        user=arguments.user,
    )
