"""Pull proof: each node pulls the probe image from the registry through its own containerd, or the `up` fails.

No node depends on another one: whichever node comes first finds the image missing and pushes it.
`scripts/proof.sh` runs on each node.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import pulumi
from pulumi_command import remote

from components.config.model import StackConfig
from components.config.nodes import Node
from components.nodes import probe_image, script, unlisted, unreachable
from components.nodes.command import create_commands
from components.nodes.trust import trust_revision

_WAIT_SECONDS: Final = 120
"""How long a node waits for the registry to answer: the address may be announced some time after the Service exists."""


@dataclass(frozen=True, kw_only=True)
class PullProofArgs:
    """The configuration, and what must exist before a node can pull."""

    config: StackConfig
    service: str
    """Namespace and name of the registry's Service, for the diagnosis."""
    bundle_pem: pulumi.Input[str]
    server_certificate_pem: pulumi.Input[str]
    private_key: pulumi.Input[str] | None
    registry: Sequence[pulumi.Resource]
    """Resources that must exist before the registry can answer."""
    login: pulumi.Input[str] | None = None
    """User and password for the push, as a secret; None without users."""
    registry_revision: pulumi.Input[str]
    """Changes with the registry's image, storage, namespace and objects, each of which requires another proof."""


@dataclass(frozen=True)
class Proved:
    """What the nodes reported."""

    digests: pulumi.Output[dict[str, str]]
    """The digest that each node pulled, by node name."""
    unlisted: pulumi.Output[list[str] | None]
    """Nodes of the cluster that the configuration does not list; None if no server reported the cluster's nodes."""
    oldest: pulumi.Output[int | None]
    """When the node whose proof is the oldest pulled, in seconds since 1970 by its own clock; None if none has."""


class PullProof(pulumi.ComponentResource):
    """One `remote.Command` per node, which succeeds only after a real pull."""

    def __init__(self, name: str, args: PullProofArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("k3s-registry:index:PullProof", name, {}, opts)
        self._commands: dict[str, remote.Command] = {}
        self._args = args
        self._hooks = pulumi.ResourceHookBinding(on_error=[unreachable.hook(name, args.config.nodes)])
        # A login makes the whole standard input a secret, so a preview no longer shows what changes in it. That of the
        # trust, which says what changes on a node, stays readable.
        login = [] if args.login is None else [args.login]
        self._known = pulumi.Output.all(args.bundle_pem, args.server_certificate_pem, args.registry_revision, *login)

    def visit(self, wave: Iterable[Node], trusted: Mapping[str, pulumi.Resource]) -> Mapping[str, remote.Command]:
        """Create the commands of one wave; `trusted` has the command that made each node trust the registry."""
        created = create_commands(
            self,
            # An offline node proves nothing: its proof leaves the state without a visit, and returns with the node.
            [node for node in wave if not node.offline],
            "proof",
            private_key=self._args.private_key,
            stdin=lambda node: self._known.apply(partial(stdin, node.name, self._args)),
            # Nothing to undo: the node removes the image right after the pull.
            depends_on=lambda node: [trusted[node.name], *self._args.registry],
            hooks=self._hooks,
        )
        self._commands.update(created)
        return created

    def finish(self) -> Proved:
        """Close the component after the last wave."""
        # From all reports at once: the SDK's time grows with the square of the number of outputs.
        reports = pulumi.Output.all(*[command.stdout for command in self._commands.values()])
        digests = reports.apply(lambda known: dict(zip(self._commands, map(reported_digest, known), strict=True)))
        listed = [node.name for node in self._args.config.nodes]
        not_listed = reports.apply(lambda known: unlisted.missing(listed, map(unlisted.reported, known)))
        not_listed.apply(self._warn)
        self.register_outputs({"digests": digests, "unlisted": not_listed})
        return Proved(digests, not_listed, reports.apply(oldest_second))

    def _warn(self, missing: Sequence[str] | None) -> None:
        sentence = unlisted.warning(missing)
        if sentence is not None:
            pulumi.log.warn(sentence, resource=self)


def stdin(node: str, args: PullProofArgs, known: Sequence[str]) -> str:
    """The standard input of a node's shell, from bundle, server certificate, the registry's revision and any login."""
    bundle_pem, server_certificate_pem, registry_revision, *login = known
    wanted = proof_revision(args.config, registry_revision, bundle_pem, server_certificate_pem)
    own = settings(node, args, bundle_pem, wanted)
    return script.render(script.PROOF, own | dict(zip(["login"], login, strict=False)), constants())


def settings(node: str, args: PullProofArgs, bundle_pem: str, wanted: str) -> dict[str, str]:
    """Shell variables that `proof.sh` reads; `wanted` is the proof's revision."""
    auth = args.config.auth
    return {
        "node": node,
        "hostname": args.config.hostname,
        "port": str(args.config.port),
        "address": args.config.address,
        "service": args.service,
        "proof_revision": wanted,
        "digest": probe_image.build(wanted).index.digest,
        "authorities": bundle_pem,
    } | ({"pull_port": str(auth.pull_port)} if auth.configured else {})


def constants() -> dict[str, str]:
    """Shell variables that are the same in every proof.

    The probe image is one of them: the node puts the proof's revision in the place that its index has for it, `@`.
    """
    image = probe_image.build("@")
    return {
        "wait_seconds": str(_WAIT_SECONDS),
        "repository": probe_image.REPOSITORY,
        "blobs": _lines(image.blobs),
        "manifests": _lines(image.manifests),
        "index": image.index.content.decode(),
    }


def proof_revision(config: StackConfig, registry_revision: str, bundle_pem: str, server_certificate_pem: str) -> str:
    """Changes with the trust, the registry, the server certificate and the audit: each requires another pull."""
    parts = trust_revision(config, bundle_pem) + config.audit + registry_revision + server_certificate_pem
    return hashlib.sha256(parts.encode()).hexdigest()


def reported_digest(stdout: str) -> str:
    """The digest in a node's own report."""
    return str(script.answer(stdout)["digest"])


def oldest_second(reports: Iterable[str]) -> int | None:
    """When the oldest of these proofs was made, in seconds since 1970; None if no report says when."""
    seconds = [script.answer(stdout).get("second") for stdout in reports]
    return min((int(second) for second in seconds if second is not None), default=None)


def _lines(blobs: Iterable[probe_image.Blob]) -> str:
    """One line per blob: digest, media type, and the content, which is in base64 unless it is JSON."""
    return "\n".join(
        f"{blob.digest} {blob.media_type} "
        + (blob.content if blob.content.startswith(b"{") else base64.b64encode(blob.content)).decode()
        for blob in blobs
    )
