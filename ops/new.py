"""Create a stack and its configuration from a few questions.

Most answers are suggested: the command asks the cluster for its storage classes, load
balancer, free addresses, labels and nodes. It shows what it is going to write and every
node's host key, writes Pulumi.STACK.yaml after a yes, and has the program check it.
Every question has an option too, for scripts; with --yes nothing is asked.
Nothing in the cluster or on a node is changed.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from components.config.model import StackConfig
from components.config.nodes import Ssh
from ops import found_nodes, stack_file
from ops.cluster import Cluster, ClusterNode, contains, free_addresses
from ops.failure import OpsError
from ops.host_keys import Server, ssh_settings
from ops.interview import Interview, labels, private_key, problems
from ops.stack import Stack
from ops.terminal import OUT, confirmed, step

_HEADER: Final = (
    "# yaml-language-server: $schema=docs/stack.schema.json\n"
    "# Written by `python -m ops new`; the README lists all keys.\n"
)
_SECRET: Final = "sshPrivateKey"  # noqa: S105  # the name of a key
_ANY_NODE: Final = "kubernetes.io/os=linux"
_WANTED: Final = "node-type=worker"
_SHOWN: Final = 5
_QUESTIONS: Final = {
    "hostname": "the registry's host name",
    "load-balancer": "what announces its address: metallb, servicelb (K3s's own) or none",
    "ip": "the registry's address on the LAN",
    "storage-class": "the storage class of its images",
    "size": "the space for its images",
    "node-selector": "labels of the nodes that may run it",
    "ssh-user": "the login name on the nodes: root, or a user with sudo without a password",
    "ssh-key": "the SSH key: agent, or the file of a private key without a passphrase",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("stack", metavar="STACK", help="the new stack's name, for instance home")
    parser.add_argument("--context", help="the kubeconfig's context (default: the current one)")
    for name, text in _QUESTIONS.items():
        parser.add_argument(f"--{name}", help=text)
    parser.add_argument("--yes", action="store_true", help="ask nothing: you know the cluster and its host keys")


def run(arguments: argparse.Namespace) -> int:
    """Ask, write and check.

    Raises:
        OpsError: pulumi, kubectl or an answer on the command line is refused, or there is nobody to ask.

    """
    if not arguments.yes and not sys.stdin.isatty():
        message = "there is no terminal on which to ask: --yes takes what is suggested, and each question has an option"
        raise OpsError(message)
    stack = Stack(name=arguments.stack)
    file = stack.file()
    _refuse_existing(file, arguments.stack)
    # First what may fail: nobody shall answer questions in vain.
    cluster = Cluster(context=arguments.context)
    with step("asking the cluster"):
        context = cluster.current_context()
        nodes = cluster.nodes()
    with step(f"creating stack {arguments.stack}, which is empty so far"):
        stack.create()
    OUT.print(f"Context {context}: {len(nodes)} nodes ({', '.join(node.name for node in nodes)})", markup=False)
    flags = {name: getattr(arguments, name.replace("-", "_")) for name in _QUESTIONS}
    interview = Interview(flags=flags, asks=not arguments.yes, values={"kubernetes": {"context": context}})
    _ask(interview, cluster, nodes)
    values = interview.values
    found = found_nodes.find(nodes, [], Ssh(user=values["ssh"]["user"]))
    found_nodes.show(found)
    values["nodes"] = found_nodes.new(found)
    key = values.pop(_SECRET, None)
    if not values["nodes"]:
        message = "no node can be added, for the reasons above; nothing was written"
        raise OpsError(message)
    wrong = problems(values, concerning=values)
    if wrong:
        raise OpsError(wrong)
    OUT.print(f"\n{file.name}:\n{_written('', values)}", markup=False)
    if not confirmed(f"Write {file.name} with {len(values['nodes'])} of {len(nodes)} nodes?", yes=arguments.yes):
        OUT.print(f"Nothing was written. Stack {arguments.stack} is empty: the same command continues with it.")
        return 1
    if key is not None:
        stack.set_secret(_SECRET, key)
    stack_file.write(file, _written(file.read_text(encoding="utf-8") if file.exists() else "", values))
    with step("checking it as the program does"):
        stack.configuration()
    OUT.print(f"{file.name} is written and checked.", markup=False)
    if key is not None and "SSH_AUTH_SOCK" in os.environ:
        OUT.print("Your SSH agent would be asked before the key in the file: unset SSH_AUTH_SOCK")
    OUT.print("Now: pulumi up")
    return 0 if found_nodes.all_good(found) else 1


def _refuse_existing(file: Path, name: str) -> None:
    known = stack_file.keys(file.read_text(encoding="utf-8")) - {_SECRET} if file.exists() else set()
    if known:
        message = (
            f"{file.name} has a configuration already ({', '.join(sorted(known)[:_SHOWN])}), which is not overwritten: "
            f"`python -m ops nodes --stack {name}` adds nodes; edit other keys in the file, or choose another name"
        )
        raise OpsError(message)


def _ask(interview: Interview, cluster: Cluster, nodes: Sequence[ClusterNode]) -> None:
    with step("asking the cluster for addresses and storage classes"):
        pools, classes, taken = cluster.pools(), cluster.storage_classes(), cluster.taken_addresses()
    here = {node.address for node in nodes if node.address}
    ask = interview.answer
    ask("hostname", _QUESTIONS["hostname"], lambda text: {"hostname": text}, default="registry.cube.local")
    balancer = ask(
        "load-balancer",
        _QUESTIONS["load-balancer"],
        lambda text: {"loadBalancer": text},
        default="metallb" if pools else "servicelb",
    )
    free = {"metallb": free_addresses(pools, taken | here, _SHOWN), "servicelb": sorted(here)}.get(balancer, [])

    def reachable(address: str) -> str | None:
        if balancer == "servicelb" and address not in here:
            return f"found {address}; with servicelb it must be the address of a node: {', '.join(sorted(here))}"
        if balancer == "metallb" and pools and not contains(pools, address):
            return f"found {address}; it must be in a pool of MetalLB: {', '.join(pools)}"
        return f"found {address}, which a Service has already; free: {', '.join(free)}" if address in taken else None

    hint = f" (free: {', '.join(free)} ...)" if free else ""
    ask(
        "ip",
        _QUESTIONS["ip"] + hint,
        lambda text: {"ip": text},
        default=free[0] if free else None,
        rule=reachable,
    )
    ask(
        "storage-class",
        f"{_QUESTIONS['storage-class']} (here: {', '.join(classes) or 'none'})",
        lambda text: {"storage": {"className": text}},
        default=classes[0] if classes else None,
        rule=lambda text: (
            None if text in classes else f"the cluster has no class {text}: {', '.join(classes) or 'none'}"
        ),
    )
    storage = interview.values["storage"]
    ask("size", _QUESTIONS["size"], lambda text: {"storage": {**storage, "size": text}}, default="15Gi")
    _ask_selector(interview, nodes)
    user = _ssh_user(nodes)
    ask("ssh-user", _QUESTIONS["ssh-user"], lambda text: {"ssh": {"user": text}}, default=user)
    ask("ssh-key", _QUESTIONS["ssh-key"], private_key, default=_ssh_key())


def _ask_selector(interview: Interview, nodes: Sequence[ClusterNode]) -> None:
    # Labels of Kubernetes and K3s describe machines; those of the user say what a machine is for.
    own = sorted({f"{name}={value}" for node in nodes for name, value in node.labels.items() if ".io/" not in name})

    def some_node(text: str) -> str | None:
        wanted = labels(text).items()
        if any(wanted <= node.labels.items() for node in nodes):
            return None
        return f"no node has {text}; here: {', '.join([_ANY_NODE, *own])}"

    interview.answer(
        "node-selector",
        f"{_QUESTIONS['node-selector']} (here: {', '.join([_ANY_NODE, *own])})",
        lambda text: {"nodeSelector": labels(text)},
        default=_WANTED if _WANTED in own else _ANY_NODE,
        rule=some_node,
    )


def _ssh_user(nodes: Sequence[ClusterNode]) -> str:
    """The name as which the user's own ssh would log in."""
    address = next((node.address for node in nodes if node.address), None)
    return ssh_settings(Server(host=address), "user")[0] if address else "root"


def _ssh_key() -> str:
    """An agent that has a key, or else the usual file."""
    agent = subprocess.run(["ssh-add", "-l"], capture_output=True, check=False).returncode == 0
    return "agent" if agent or not Path("~/.ssh/id_ed25519").expanduser().exists() else "~/.ssh/id_ed25519"


def _written(text: str, values: dict[str, Any]) -> str:
    fields = StackConfig.model_fields.values()
    comments = {str(field.validation_alias): field.description or "" for field in fields}
    made = stack_file.with_keys(text, values, comments)
    return made if made.startswith("#") else _HEADER + made
