"""What the benches tell nodes: one registry, and authorities made for the day."""

from typing import Final

from components.config import Node, Ssh
from components.nodes import Trust
from lab.pki import Pair, make_authority
from lab.settings import REGISTRY_ADDRESS, REGISTRY_HOST, REGISTRY_PORT

REGISTRY: Final = f"{REGISTRY_HOST}:{REGISTRY_PORT}"


def trust(audit: str) -> Trust:
    """The product's own setting of what every node is told, with the system's store."""
    return Trust(
        registry=REGISTRY,
        address=REGISTRY_ADDRESS,
        names=(REGISTRY_HOST, "registry"),
        system_trust=True,
        audit=audit,
    )


def node(name: str, host: str, host_key: str, port: int) -> Node:
    """A node as the product's configuration has it."""
    ssh = Ssh(user="root", port=port, dial_timeout=3, dial_tries=2)
    return Node(name=name, host=host, host_key=host_key, ssh=ssh, offline=False)


def authorities() -> tuple[Pair, Pair]:
    """The authority that nodes first trust, and the one that takes its place."""
    return make_authority("registry of the bench, first"), make_authority("registry of the bench, second")
