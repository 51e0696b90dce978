"""How one command reaches one node: the connection and the resource options."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import pulumi
from pulumi_command import remote

from components.config.nodes import Node, Proxy, Ssh
from components.nodes import script

_ALL_INPUTS: Final = ["stdin", "connection", "create", "update", "delete"]


def create_commands(
    parent: pulumi.Resource,
    nodes: Iterable[Node],
    role: str,
    *,
    private_key: pulumi.Input[str] | None,
    stdin: Callable[[Node], pulumi.Input[str]],
    undo: bool = False,
    depends_on: Callable[[Node], Sequence[pulumi.Resource]] = lambda _node: (),
    hooks: pulumi.ResourceHookBinding,
) -> dict[str, remote.Command]:
    """Create one command per node, by node name; none of them waits for another.

    Args:
        parent: the component that owns the commands.
        nodes: the nodes of one wave.
        role: what the commands do on a node; a command's resource name is the node's name and this.
        private_key: the SSH client's key; None leaves the choice to the agent.
        stdin: the settings and the script for a node.
        undo: whether the node has something to remove when the command is deleted.
        depends_on: resources that a node's command needs.
        hooks: the hooks of every command, which learn by `node_name` which node they are asked about.

    """
    return {
        node.name: remote.Command(
            f"{node.name}-{role}",
            connection=connection(node, private_key),
            # The command line is the same for every script, because a failure prints it. The proof reads no argument.
            create=script.command("apply"),
            update=script.command("apply"),
            delete=script.command("remove") if undo else None,
            stdin=stdin(node),
            add_previous_output_in_env=False,  # sshd refuses the variable, and the provider warns at each update
            logging=remote.Logging.NONE,  # with logging on, a single long line hangs the provider for ever
            opts=_options(parent, node, depends_on(node), hooks),
        )
        for node in nodes
    }


def node_name(resource: str) -> str:
    """The node whose command has this resource name."""
    return resource.rpartition("-")[0]


def ssh_command(node: Node) -> str:
    """The command by which a person reaches the node as this program does."""
    proxy = node.ssh.proxy
    jump = "" if proxy is None else f" -J {proxy.user}@{proxy.host}:{proxy.port}"
    return f"ssh {node.ssh.user}@{node.host} -p {node.ssh.port}{jump}"


def connection(node: Node, private_key: pulumi.Input[str] | None) -> remote.ConnectionArgs:
    """How the command provider reaches a node: the host key is pinned, and each attempt has a time limit."""
    return remote.ConnectionArgs(
        host=node.host,
        port=node.ssh.port,
        user=node.ssh.user,
        host_key=node.host_key,
        private_key=private_key,
        per_dial_timeout=node.ssh.dial_timeout,
        dial_error_limit=node.ssh.dial_tries - 1,  # the provider counts retries, the configuration counts tries
        proxy=None if node.ssh.proxy is None else _proxy(node.ssh, node.ssh.proxy, private_key),
    )


def _proxy(ssh: Ssh, proxy: Proxy, private_key: pulumi.Input[str] | None) -> remote.ProxyConnectionArgs:
    return remote.ProxyConnectionArgs(
        host=proxy.host,
        port=proxy.port,
        user=proxy.user,
        host_key=proxy.host_key,
        private_key=private_key,
        per_dial_timeout=ssh.dial_timeout,
        dial_error_limit=ssh.dial_tries - 1,
    )


def _options(
    parent: pulumi.Resource,
    node: Node,
    depends_on: Sequence[pulumi.Resource],
    hooks: pulumi.ResourceHookBinding,
) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(
        parent=parent,
        depends_on=depends_on,
        # Another host is another machine: clean the old one, then configure the new one. Without the trigger the
        # provider would run `update` on the new machine and leave the old one as it was.
        replacement_trigger=node.host,
        delete_before_replace=True,
        hooks=hooks,
        # An offline node keeps the inputs of its last visit, and leaves the configuration without another visit.
        ignore_changes=_ALL_INPUTS if node.offline else None,
        retain_on_delete=node.offline or None,
    )
