"""The input of all benches: one registry, the nodes' settings, and throwaway authorities."""

from collections.abc import Mapping
from typing import Final

from bench.authority import Pair, make_authority
from components.config.model import StackConfig
from components.config.parse import parse
from lab.settings import REGISTRY_ADDRESS, REGISTRY_HOST, REGISTRY_PORT

REGISTRY: Final = f"{REGISTRY_HOST}:{REGISTRY_PORT}"


def config(nodes: Mapping[str, Mapping[str, object]], audit: str = "") -> StackConfig:
    """The product's configuration for these nodes, with trust in the system's store."""
    return parse(
        {
            "hostname": REGISTRY_HOST,
            "aliases": ["registry"],
            "ip": REGISTRY_ADDRESS,
            "port": REGISTRY_PORT,
            "nodes": dict(nodes),
            "audit": audit,
        }
    )


def authorities() -> tuple[Pair, Pair]:
    """The authority that nodes trust first, and the one that replaces it."""
    return make_authority("registry of the bench, first"), make_authority("registry of the bench, second")
