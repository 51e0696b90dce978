"""The input of all benches: one registry, the nodes' settings, and throwaway authorities."""

from typing import Final

from components.config.model import Node, Ssh
from components.nodes.trust import Trust
from lab.pki import Pair, make_authority
from lab.settings import REGISTRY_ADDRESS, REGISTRY_HOST, REGISTRY_PORT

REGISTRY: Final = f"{REGISTRY_HOST}:{REGISTRY_PORT}"


def trust(audit: str) -> Trust:
    """The product's settings for every node, with trust in the system's store."""
    return Trust(
        hostname=REGISTRY_HOST,
        port=REGISTRY_PORT,
        address=REGISTRY_ADDRESS,
        names=(REGISTRY_HOST, "registry"),
        system_trust=True,
        audit=audit,
    )


def node(name: str, host: str, host_key: str, port: int) -> Node:
    """A node as it appears in the product's configuration."""
    ssh = Ssh(user="root", port=port, dial_timeout=3, dial_tries=2)
    return Node(name=name, host=host, host_key=host_key, ssh=ssh, offline=False)


def authorities() -> tuple[Pair, Pair]:
    """The authority that nodes trust first, and the one that replaces it."""
    return make_authority("registry of the bench, first"), make_authority("registry of the bench, second")
