"""Nodes: the trust that each node is given, and the command that installs it.

Every node gets the authorities' certificates, the registry's name in its hosts file, our entries in its registries.yaml
and the hosts.toml that K3s would render from them. No private key reaches a node. `scripts/trust.sh` installs all of
it.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pulumi
from pulumi_command import remote

from components.certificates.bundle import fingerprints
from components.config.cache import server_url
from components.config.model import Rollout, StackConfig
from components.config.nodes import Node
from components.nodes import pull_port, script, unreachable
from components.nodes.command import create_commands, node_name, ssh_command
from components.nodes.files import (
    CA_FILE,
    cache_hosts_toml,
    configs_entry,
    hosts_toml,
    mirrors_entry,
    named_hosts_toml,
    pull_hosts_toml,
)

Gap = Callable[[Collection[str], Collection[str]], str | None]
"""Why pulls would fail on a node whose trusted fingerprints change from these to those in this `up`, or None."""


@dataclass(frozen=True, kw_only=True)
class NodesArgs:
    """The configuration, the trust bundle, and the key that opens the nodes."""

    config: StackConfig
    bundle_pem: pulumi.Input[str]
    private_key: pulumi.Input[str] | None
    """The SSH client's key; None leaves the choice to the agent."""
    gap: Gap
    closes: Callable[[], bool] = lambda: False
    """Whether this is the `up` from which on clients other than nodes need a password."""


class Nodes(pulumi.ComponentResource):
    """One `remote.Command` per node, which installs the trust on the node or reports why it cannot."""

    commands: dict[str, remote.Command]
    """The command of each node visited so far, by node name."""

    def __init__(self, name: str, args: NodesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("k3s-registry:index:Nodes", name, {}, opts)
        self.commands = {}
        self._args = args
        self._hooks = _hooks(name, args)
        self._bundle_pem = pulumi.Output.from_input(args.bundle_pem)

    def visit(self, wave: Iterable[Node], after: Sequence[pulumi.Resource]) -> Mapping[str, remote.Command]:
        """Create the commands of one wave, which wait for the resources `after`."""
        created = create_commands(
            self,
            wave,
            "trust",
            private_key=self._args.private_key,
            stdin=lambda node: self._bundle_pem.apply(partial(stdin, node, self._args.config)),
            undo=True,
            depends_on=lambda _node: after,
            hooks=self._hooks,
        )
        self.commands.update(created)
        return created

    def finish(self) -> pulumi.Output[dict[str, str]]:
        """Close the component after the last wave; returns the revision that each node reported, by node name."""
        reports = pulumi.Output.all(**{name: command.stdout for name, command in self.commands.items()})
        reports.apply(self._warn)
        # From all reports at once: the SDK's time grows with the square of the number of outputs.
        revisions = reports.apply(reported_revisions)
        self.register_outputs({"revisions": revisions})
        return revisions

    def _warn(self, reports: Mapping[str, str]) -> None:
        sentence = guide_warning(reports)
        if sentence is not None:
            pulumi.log.warn(sentence, resource=self)


def _hooks(name: str, args: NodesArgs) -> pulumi.ResourceHookBinding:
    auth = args.config.auth
    refusals = [gap_hook(name, args.gap), *([pull_port.hook(name, auth, args.closes)] if auth.configured else [])]
    failures = [unreachable.hook(name, args.config.nodes)]
    return pulumi.ResourceHookBinding(before_update=[*refusals], on_error=failures)


def gap_hook(name: str, gap: Gap) -> pulumi.ResourceHook:
    """A hook that refuses a change of a node's trust, in a preview too, if pulls would fail there for a while.

    A hook, because only the engine knows the node's former inputs: the program cannot read its own state.
    """

    def judge(change: pulumi.ResourceHookArgs) -> None:
        before = announced_fingerprints(change.old_inputs)
        reason = gap(before, announced_fingerprints(change.new_inputs)) if before else None
        if reason is not None:
            message = f"node {node_name(change.name)}: {reason}"
            raise pulumi.RunError(message)

    return pulumi.ResourceHook(f"{name}-gap", judge, pulumi.ResourceHookOptions(on_dry_run=True))


def announced_fingerprints(inputs: Mapping[str, Any] | None) -> frozenset[str]:
    """The fingerprints that a command's own `stdin` announces; none while that is unknown."""
    text = (inputs or {}).get("stdin")
    announced = script.setting(text, "fingerprints") if isinstance(text, str) else None
    return frozenset((announced or "").split())


def stdin(node: Node, config: StackConfig, bundle_pem: str) -> str:
    """The standard input of a node's shell."""
    program, particular = script.TRUST, {}
    if config.rollout is Rollout.SERIAL:
        program, particular = script.TRUST_WITH_RESTART, {"rollout": config.rollout.value}
    # Second, since a preview shows the first lines of what it creates.
    own = {"node": node.name, "reached_by": reached_by(node)}
    return script.render(program, own | settings(node.name, config, bundle_pem) | particular | exceptions(node, config))


def reached_by(node: Node) -> str:
    """How this program reaches the node, for the reader of a preview: the provider keeps all of `connection` secret."""
    proxy = node.ssh.proxy
    keys = [node.host_key, *([] if proxy is None else [proxy.host_key])]
    return " ".join([ssh_command(node), *map(unreachable.fingerprint, keys)])


def exceptions(node: Node, config: StackConfig) -> dict[str, str]:
    """Shell variables that `trust.sh` reads and does without: the state stores every node's, so defaults stay out."""
    asked = {"take_over": "true"} if config.take_over else {}
    return asked if node.role is None else asked | {"role": node.role.value}


def settings(node: str, config: StackConfig, bundle_pem: str) -> dict[str, str]:
    """Shell variables that `trust.sh` reads."""
    own = {"node": node, "audit": config.audit, "trust_revision": trust_revision(config, bundle_pem)}
    return own | _trusted(config, bundle_pem)


def _trusted(config: StackConfig, bundle_pem: str) -> dict[str, str]:
    """The settings that decide what a node trusts: the same on every node."""
    caches = {upstream: cache.endpoint for upstream, cache in config.cache.items()}
    # What nodes have to themselves, and so enter with their own certificate.
    own = [*([] if config.pull_endpoint is None else [config.pull_endpoint]), *caches.values()]
    mirrors = [*((endpoint, config.pull_endpoint) for endpoint in config.endpoints), *caches.items()]
    files = {endpoint: pull_hosts_toml(endpoint) for endpoint in own}
    files |= {upstream: cache_hosts_toml(server_url(upstream), endpoint) for upstream, endpoint in caches.items()}
    everywhere = {
        "hostname": config.hostname,
        "port": str(config.port),
        "address": config.address,
        "names": " ".join(config.names),
        "system_trust": "true" if config.system_trust else "false",
        "ca_file": CA_FILE,
        "fingerprints": " ".join(fingerprints(bundle_pem)),
        "authorities": bundle_pem,
        "mirrors_entry": "".join(mirrors_entry(name, endpoint) for name, endpoint in mirrors),
        "configs_entry": "".join(
            [*map(configs_entry, config.endpoints), *(configs_entry(endpoint, identity=True) for endpoint in own)]
        ),
        "hosts_toml": hosts_toml(config.endpoint, config.pull_endpoint),
    }
    # The script itself knows a node without these.
    particular = {
        "pull_port": str(config.auth.pull_port) if config.auth.configured else "",
        "caches": " ".join([*caches, *caches.values()]),
        "named_hosts_toml": named_hosts_toml(files),
    }
    return everywhere | {name: value for name, value in particular.items() if value}


def trust_revision(config: StackConfig, bundle_pem: str) -> str:
    """Identifies what a node trusts: the same on every node, whenever it was last audited."""
    return hashlib.sha256(json.dumps(_trusted(config, bundle_pem), sort_keys=True).encode()).hexdigest()


def reported_revisions(reports: Mapping[str, str]) -> dict[str, str]:
    """The trust revision in each node's own report, by node name."""
    return {name: str(script.answer(stdout)["revision"]) for name, stdout in reports.items()}


def guide_warning(reports: Mapping[str, str]) -> str | None:
    """The warning about nodes that trusted the guide's certificate, from each node's own report; None if none did."""
    names = sorted(name for name, stdout in reports.items() if script.answer(stdout).get("guide"))
    if not names:
        return None
    return (
        f"nodes: found the guide's certificate on {', '.join(names)}; its private key, registry.key, was on each node, "
        "so whoever read it there can pose as the registry to all who still trust it; the key was removed "
        "from these nodes: remove both files wherever else they are (workstations, ~/docker-registry), and set "
        "takeOver: false"
    )
