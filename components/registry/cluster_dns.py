"""The registry's names in the cluster's DNS, which K3s's CoreDNS reads from a ConfigMap of the user's."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import pulumi

DNS_NAMESPACE: Final = "kube-system"
DNS_CONFIG: Final = "coredns-custom"
"""K3s's CoreDNS reads it, and K3s never writes it: the other keys are the user's."""
DNS_KEY: Final = "k3s-registry.server"
_PORT: Final = 53


def server_block(names: Sequence[str], address: str) -> str:
    """A server block for CoreDNS that gives each of the names this address, and none of the other family.

    `hosts` answers the other family with an empty answer, since resolvers give up a name that does not exist for one of
    the two. Names below ours are asked where K3s asks for everything outside the cluster.
    """
    zones = " ".join(f"{name}:{_PORT}" for name in names)
    return (
        f"{zones} {{\n"
        "    errors\n"
        "    hosts {\n"
        f"        {address} {' '.join(names)}\n"
        "        ttl 60\n"
        "        fallthrough\n"
        "    }\n"
        "    forward . /etc/resolv.conf\n"
        "}\n"
    )


def refuse_second_blocks(names: Sequence[str], found: Mapping[str, str]) -> None:
    """Refuse a key of the user's that has a server block for one of our names.

    Raises:
        pulumi.RunError: CoreDNS goes on with its former configuration, but would not start with the present one.

    """
    for key, text in found.items():
        taken = set(zones(text)).intersection(names) if key.endswith(".server") and key != DNS_KEY else set()
        if taken:
            message = (
                f"pods.names: found a server block for {min(taken)} in key {key} of ConfigMap "
                f"{DNS_NAMESPACE}/{DNS_CONFIG}; CoreDNS accepts only one for each name, and its next start fails "
                "with two: remove that block and run `pulumi up --refresh`, or set pods.names to false and run "
                "`pulumi up`"
            )
            raise pulumi.RunError(message)


def zones(corefile: str) -> Iterator[str]:
    """The zones of the server blocks that answer plain DNS at its usual port."""
    depth = 0
    for line in corefile.splitlines():
        words = line.partition("#")[0].replace(",", " ").split()
        if depth == 0:
            for word in words:
                zone, _, port = word.lower().removeprefix("dns://").partition(":")
                if port in ("", str(_PORT)):
                    yield zone.removesuffix(".")
        depth += words.count("{") - words.count("}")
