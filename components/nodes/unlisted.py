"""Unlisted nodes: nodes that the cluster's servers see and that the configuration does not list.

The opposite, a listed node that the cluster does not have, is refused on the node itself (`scripts/proof.sh`).
"""

from collections.abc import Collection, Iterable

from components.nodes import script


def reported(stdout: str) -> list[str] | None:
    """The cluster's nodes in the report of one node's proof; None from an agent, or if the API did not answer."""
    names = script.answer(stdout).get("cluster")
    return None if names is None else [str(name) for name in names]


def missing(listed: Collection[str], reports: Iterable[Collection[str] | None]) -> list[str] | None:
    """Nodes that a server reported and the configuration does not list, sorted; None if no server reported."""
    known = [report for report in reports if report is not None]
    return sorted({name for report in known for name in report} - set(listed)) if known else None


def warning(names: Collection[str] | None) -> str | None:
    """The warning about these unlisted nodes; None if every node is listed."""
    if names is None:
        return (
            "nodes: found no K3s server that reported the cluster's nodes, so it is unknown whether the configuration "
            "lists all of them; list a server too, or compare with `kubectl get nodes`"
        )
    if not names:
        return None
    return (
        f"nodes: found {', '.join(names)} in the cluster but not in the configuration (as the servers saw the cluster "
        "at their last proof; `pulumi up -c audit=NEW` looks again); pods on an unlisted node cannot pull; add each to "
        "nodes with host and hostKey"
    )
