"""Coverage: whether the configuration lists every node of the cluster, as the cluster's servers see it.

The other direction, a listed node that the cluster does not know, is refused on the node itself (`node/proof.sh`).
"""

import json
from collections.abc import Collection, Iterable


def seen(stdout: str) -> list[str] | None:
    """The cluster's nodes in the report of one node's proof; None from an agent, and where the API did not answer."""
    names = json.loads(stdout).get("cluster")
    return None if names is None else [str(name) for name in names]


def unlisted(listed: Collection[str], reports: Iterable[Collection[str] | None]) -> list[str] | None:
    """Nodes that some server saw and the configuration does not list, in order; None where no server reported."""
    known = [report for report in reports if report is not None]
    return sorted({name for report in known for name in report} - set(listed)) if known else None


def warning(missing: Collection[str] | None) -> str | None:
    """What a user must hear of it, or None where every node is listed."""
    if missing is None:
        return (
            "nodes: found no K3s server among them that told which nodes the cluster has, so nobody can say whether "
            "all are listed; list a server too, or compare with `kubectl get nodes`"
        )
    if not missing:
        return None
    return (
        f"nodes: found {', '.join(missing)} in the cluster but not in the configuration (as its servers saw it at "
        "their last proof; `pulumi up -c audit=NEW` looks again); pods on a node that is not listed cannot pull; "
        "add each to nodes with host and hostKey"
    )
