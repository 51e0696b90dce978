"""Pull proof: each node pulls the probe image from the registry through its own containerd, or the `up` fails.

No node depends on another one: whichever comes first finds the image missing and pushes it. What happens on a node is
in `node/proof.sh`.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import pulumi
from pulumi_command import remote

from components import node_script, probe_image, unlisted
from components.config import Node, Rollout
from components.nodes import Trust, command_options, connection, trust_revision, visiting_order

WAIT_SECONDS: Final = 120
"""How long a node waits for the registry to answer: its address may be announced a while after the Service is made."""


@dataclass(frozen=True, kw_only=True)
class PullProofArgs:
    """What is pulled, from where, and by whom."""

    nodes: Sequence[Node]
    trust: Trust
    port: int
    service: str
    """Namespace and name of the registry's Service, for the diagnosis."""
    bundle_pem: pulumi.Input[str]
    server_certificate_pem: pulumi.Input[str]
    private_key: pulumi.Input[str] | None
    rollout: Rollout
    trusted: Mapping[str, pulumi.Resource]
    """The command that made each node trust the registry."""
    registry: Sequence[pulumi.Resource]
    """What must be there before the registry can answer."""
    registry_revision: str
    """What the registry is: another image, storage or namespace wants another proof."""


class PullProof(pulumi.ComponentResource):
    """One `remote.Command` a node, which succeeds only after a real pull."""

    digests: pulumi.Output[dict[str, str]]
    """Digest that each node pulled, by node name."""
    unlisted: pulumi.Output[list[str] | None]
    """Nodes of the cluster that are not listed; None where no server told."""

    def __init__(self, name: str, args: PullProofArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("k3s-registry:index:PullProof", name, {}, opts)
        commands: dict[str, remote.Command] = {}
        # A node that is off proves nothing: its proof leaves the state, contacting nobody, and comes again with it.
        for node in visiting_order((node for node in args.nodes if not node.offline), args.rollout):
            before = list(commands.values())[-1:] if args.rollout is Rollout.SERIAL else []
            commands[node.name] = remote.Command(
                f"{node.name}-proof",
                connection=connection(node, args.private_key),
                create=node_script.command("apply"),
                update=node_script.command("apply"),
                # No delete: the node removed the image right after the pull.
                stdin=pulumi.Output.all(args.bundle_pem, args.server_certificate_pem).apply(
                    partial(stdin, node.name, args)
                ),
                add_previous_output_in_env=False,  # see components/nodes.py
                logging=remote.Logging.NONE,
                opts=command_options(self, node, "proof", [args.trusted[node.name], *args.registry, *before]),
            )
        self.digests = pulumi.Output.all(
            **{name: command.stdout.apply(reported_digest) for name, command in commands.items()}
        )
        listed = [node.name for node in args.nodes]
        reports = pulumi.Output.all(*[command.stdout.apply(unlisted.reported) for command in commands.values()])
        self.unlisted = reports.apply(lambda known: unlisted.missing(listed, known))
        self.unlisted.apply(self._warn)
        self.register_outputs({"digests": self.digests, "unlisted": self.unlisted})

    def _warn(self, missing: Sequence[str] | None) -> None:
        sentence = unlisted.warning(missing)
        if sentence is not None:
            pulumi.log.warn(sentence, resource=self)


def stdin(node: str, args: PullProofArgs, pems: Sequence[str]) -> str:
    """The text that a node's shell reads, from trust bundle and server certificate."""
    bundle_pem, server_certificate_pem = pems
    return node_script.render("proof.sh", settings(node, args, bundle_pem, server_certificate_pem), constants())


def settings(node: str, args: PullProofArgs, bundle_pem: str, server_certificate_pem: str) -> dict[str, str]:
    """Shell variables that `proof.sh` reads."""
    wanted = revision(args.trust, args.registry_revision, bundle_pem, server_certificate_pem)
    return {
        "node": node,
        "registry": args.trust.registry,
        "address": args.trust.address,
        "port": str(args.port),
        "service": args.service,
        "wait_seconds": str(WAIT_SECONDS),
        "repository": probe_image.REPOSITORY,
        "revision": wanted,
        "digest": probe_image.build(wanted).index.digest,
        "authorities": bundle_pem,
    }


def constants() -> dict[str, str]:
    """Shell variables that hold the probe image: the node puts the revision in the index's place for it, `@`."""
    image = probe_image.build("@")
    return {
        "blobs": _lines(image.blobs),
        "manifests": _lines(image.manifests),
        "index": image.index.content.decode(),
    }


def revision(trust: Trust, registry_revision: str, bundle_pem: str, server_certificate_pem: str) -> str:
    """What a proof proves: another trust, registry, server certificate or audit wants another pull."""
    parts = trust_revision(trust, bundle_pem) + registry_revision + server_certificate_pem
    return hashlib.sha256(parts.encode()).hexdigest()


def reported_digest(stdout: str) -> str:
    """The digest in a node's own report."""
    return str(json.loads(stdout)["digest"])


def _lines(blobs: Iterable[probe_image.Blob]) -> str:
    """One line a blob: digest, media type, and the content, as it is where it is JSON, else in base64."""
    return "\n".join(
        f"{blob.digest} {blob.media_type} "
        + (blob.content if blob.content.startswith(b"{") else base64.b64encode(blob.content)).decode()
        for blob in blobs
    )
