"""The cluster's nodes beside those that the configuration lists, with host keys and remarks."""

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from components.config import rules
from components.config.nodes import Node, Ssh
from components.nodes.unreachable import fingerprint
from ops.cluster import ClusterNode
from ops.host_keys import CONSOLE, Known, Server, known, scan, silence
from ops.terminal import OUT, console, step

_WIDEST: Final = 1000
"""A table is as wide as its content: a cut fingerprint cannot be compared."""
_AT_ONCE: Final = 16


class State(StrEnum):
    """What a node is to the configuration."""

    NEW = "new"
    LISTED = "listed"
    OFFLINE = "offline"
    SILENT = "no host key"
    DOUBTED = "another key in known_hosts"
    CHANGED = "HOST KEY CHANGED"
    GONE = "not in the cluster"


_STYLES: Final = {State.NEW: "green", State.SILENT: "yellow", State.GONE: "yellow"} | dict.fromkeys(
    (State.DOUBTED, State.CHANGED), "bold red"
)
_GOOD: Final = frozenset({State.NEW, State.LISTED, State.OFFLINE})


@dataclass(frozen=True, kw_only=True)
class FoundNode:
    """One node of the cluster or of the configuration."""

    name: str
    state: State
    server: Server | None = None
    key: str = ""
    """Its host key; empty if none was found."""
    known: Known | None = None
    is_server: bool = False
    remark: str = ""
    """What is wrong and what to do, one sentence; empty if nothing is."""

    @property
    def entry(self) -> dict[str, Any]:
        """Its entry in the configuration."""
        host = self.server.host if self.server else ""
        # The API knows the servers, and rollouts visit them last.
        return {"host": host, "hostKey": self.key} | ({"role": "server"} if self.is_server else {})


def find(cluster: Sequence[ClusterNode], listed: Sequence[Node], ssh: Ssh) -> list[FoundNode]:
    """Scan the host keys of all nodes and compare them with the configuration and known_hosts."""
    by_name = {node.name: Server(host=node.host, port=node.ssh.port) for node in listed if not node.offline}
    offline = {node.name for node in listed if node.offline}
    for node in cluster:
        if node.address and node.name not in offline:
            by_name.setdefault(node.name, Server(host=node.address, port=ssh.port))
    with step(f"scanning the SSH host keys of {len(by_name)} nodes"):
        keys = scan(set(by_name.values()), ssh.proxy)
        pinned = {node.name: " ".join(node.host_key.split()[:2]) for node in listed}

        def judged(name: str) -> FoundNode:
            server = by_name[name]
            if name in pinned:
                return _of_listed(name, server, pinned[name], keys[server], ssh)
            return _of_new(next(node for node in cluster if node.name == name), server, keys[server], ssh)

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = {node.name: node for node in pool.map(judged, by_name)}
    names = {node.name for node in cluster}
    found |= {name: FoundNode(name=name, state=State.OFFLINE) for name in offline}
    found |= {name: _without_address(name) for name in names - set(found)}
    found |= {name: _gone(name) for name in pinned if name not in names}
    return [found[name] for name in sorted(found)]


def show(nodes: Collection[FoundNode]) -> None:
    """Show the nodes as a table, and below it what is wrong and how to compare keys."""
    table = Table(box=None, pad_edge=False)
    for heading in ("NODE", "HOST", "KEY", "FINGERPRINT", "KNOWN_HOSTS", "STATE"):
        table.add_column(heading, no_wrap=True)
    for node in nodes:
        table.add_row(
            *(Text(cell) for cell in (node.name, str(node.server or ""), node.key.partition(" ")[0])),
            Text(fingerprint(node.key) if node.key else ""),
            Text(node.known or ""),
            Text(node.state, style=_STYLES.get(node.state, "")),
        )
    console(width=_WIDEST).print(table)
    for node in nodes:
        if node.remark:
            OUT.print(Text(f"{node.name}: {node.remark}", style=_STYLES.get(node.state, "")))
    if any(node.state is State.NEW for node in nodes):
        OUT.print(
            f"\nWhoever stands between you and a node could have sent a key of its own. On the node's own console,\n"
            f"    {CONSOLE}\n"
            f"shows the fingerprint to compare (for an ECDSA key, the file is ssh_host_ecdsa_key.pub). KNOWN_HOSTS: "
            f"what your ssh knows from earlier logins.",
            markup=False,
        )


def new(nodes: Collection[FoundNode]) -> dict[str, dict[str, Any]]:
    """The entries of the nodes that are to be added to the configuration."""
    return {node.name: node.entry for node in nodes if node.state is State.NEW}


def all_good(nodes: Collection[FoundNode]) -> bool:
    """Whether every node is in the configuration or can be added to it."""
    return all(node.state in _GOOD and not node.remark for node in nodes)


def _of_new(node: ClusterNode, server: Server, keys: Sequence[str], ssh: Ssh) -> FoundNode:
    usable = [key for key in keys if rules.host_key(key) is None]
    if not usable:
        reason = (
            f"its only host key cannot be pinned: {rules.host_key(keys[0])}" if keys else silence(server, ssh.proxy)
        )
        # Without its host key it cannot be listed, not even as offline, which is for nodes that were configured before.
        return FoundNode(
            name=node.name,
            server=server,
            state=State.SILENT,
            remark=f"{reason}; the node is not added, and pods on it cannot pull: run this again when it answers",
        )
    key = usable[0]
    agreement = known(server, node.name, key)
    made = FoundNode(name=node.name, server=server, key=key, known=agreement, is_server=node.is_server, state=State.NEW)
    if agreement is not Known.OTHER:
        return made
    remark = (
        f"your known_hosts has another key for {server}, so the node is not added: either it was installed anew, or "
        f"somebody answers in its place; if the node's own console shows this fingerprint ({CONSOLE}), remove the "
        f"former key (`ssh-keygen -R '{server}'`) and run this command again"
    )
    return FoundNode(name=node.name, server=server, key=key, known=agreement, state=State.DOUBTED, remark=remark)


def _of_listed(name: str, server: Server, pinned: str, keys: Sequence[str], ssh: Ssh) -> FoundNode:
    if pinned in keys:
        return FoundNode(name=name, server=server, key=pinned, state=State.LISTED)
    if not keys:
        remark = f"{silence(server, ssh.proxy)}; its entry stays as it is"
        return FoundNode(name=name, server=server, state=State.LISTED, remark=remark)
    same_kind = [key for key in keys if key.split()[0] == pinned.split(maxsplit=1)[0]]
    offered = (same_kind or list(keys))[0]
    remark = (
        f"the node offers another host key than the configuration's, {fingerprint(pinned)}: either it was installed "
        "anew, or somebody answers in its place; nothing is written. Only if the node's own console shows the "
        f"fingerprint above ({CONSOLE}): pulumi config set --path 'nodes[\"{name}\"].hostKey' '{offered}'"
    )
    return FoundNode(name=name, server=server, key=offered, state=State.CHANGED, remark=remark)


def _without_address(name: str) -> FoundNode:
    remark = "the cluster knows no InternalIP of it, so it cannot be reached: list it by hand under nodes"
    return FoundNode(name=name, state=State.SILENT, remark=remark)


def _gone(name: str) -> FoundNode:
    remark = (
        "the configuration lists it, and the cluster has no such node; its entry stays: remove it from nodes and run "
        "`pulumi up`, which restores its former files (set `offline: true` and run `pulumi up` before if it is off)"
    )
    return FoundNode(name=name, state=State.GONE, remark=remark)
