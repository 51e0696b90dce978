"""Add the cluster's nodes to the stack's configuration.

The command asks the cluster for its nodes, scans their SSH host keys, shows them with
fingerprints, and writes those that the configuration does not list yet into
Pulumi.STACK.yaml, after a yes. Entries that are there are never changed. Run it again
when a node has joined the cluster. Its exit status is 1 where something needs your
attention: a node that did not answer, one that left the cluster, a changed host key.
"""

import argparse
from typing import Final

from components.config.nodes import HOST_KEY_EXAMPLE
from ops import found_nodes, stack_file
from ops.cluster import Cluster
from ops.failure import OpsError
from ops.stack import Stack
from ops.terminal import OUT, confirmed, step

_NOBODY: Final = "nobody.invalid"
"""The parser requires a node, and a stack that gets its first ones here has none."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--stack", metavar="NAME", help="the stack (default: the selected one)")
    parser.add_argument("--context", help="the kubeconfig's context (default: the stack's kubernetes.context, if any)")
    parser.add_argument("--yes", action="store_true", help="write without asking: you have compared the host keys")


def run(arguments: argparse.Namespace) -> int:
    """Show the nodes and add the new ones.

    Raises:
        OpsError: pulumi, kubectl or the stack file refuses, or there is nobody to ask.

    """
    stack = Stack(name=arguments.stack)
    with step("reading the stack's configuration"):
        file = stack.file()
        config = stack.configuration(missing={"nodes": {_NOBODY: {"host": _NOBODY, "hostKey": HOST_KEY_EXAMPLE}}})
    context = arguments.context or config.kubernetes.context
    cluster = Cluster(context=context, kubeconfig=config.kubeconfig.get_secret_value())
    with step("asking the cluster for its nodes"):
        present = cluster.nodes()
    listed = [node for node in config.nodes if node.name != _NOBODY]
    nodes = found_nodes.find(present, listed, config.ssh)
    found_nodes.show(nodes)
    status = 0 if found_nodes.all_good(nodes) else 1
    added = found_nodes.new(nodes)
    if not added:
        OUT.print(f"\nThere is nothing to add: {file.name} is unchanged.", markup=False)
        return status
    if not file.exists():
        message = f"{file.name} does not exist beside Pulumi.yaml: `pulumi config refresh` restores it"
        raise OpsError(message)
    old = file.read_text(encoding="utf-8")
    new = stack_file.with_nodes(old, added)
    OUT.print(f"\n{stack_file.diff(file, old, new)}\n", markup=False)
    if not confirmed(f"Add {', '.join(added)} to {file.name}?", yes=arguments.yes):
        OUT.print("Nothing was written.")
        return 1
    stack_file.write(file, new)
    stack.configuration()
    OUT.print(f"{file.name} is written and checked. Now: pulumi up", markup=False)
    return status
