"""The cluster as kubectl sees it: what `new` and `nodes` need to know of it."""

import ipaddress
import itertools
import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ops.failure import OpsError

_SECONDS: Final = 15
_SERVER_LABELS: Final = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/etcd")
_DEFAULT_CLASS: Final = "storageclass.kubernetes.io/is-default-class"
_POOLS: Final = "ipaddresspools.metallb.io"


@dataclass(frozen=True, kw_only=True)
class ClusterNode:
    """A node as the API server knows it."""

    name: str
    address: str | None
    """Its first InternalIP; None if the cluster knows none."""
    is_server: bool
    labels: Mapping[str, str]

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> "ClusterNode":
        """A node from the API's answer."""
        labels = item["metadata"].get("labels", {})
        addresses = item["status"].get("addresses", ())
        return cls(
            name=item["metadata"]["name"],
            address=next((one["address"] for one in addresses if one["type"] == "InternalIP"), None),
            is_server=any(label in labels for label in _SERVER_LABELS),
            labels=labels,
        )


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A cluster, asked by the user's own kubectl."""

    context: str | None = None
    """None: the kubeconfig's current one."""
    kubeconfig: str = ""
    """The content of a kubeconfig; empty: the one that kubectl finds itself."""

    def current_context(self) -> str:
        """The name of the context that is asked."""
        return self.context or self._kubectl("config", "current-context").strip()

    def nodes(self) -> tuple[ClusterNode, ...]:
        """Every node, in the order of names."""
        return tuple(ClusterNode.of(item) for item in self._items("nodes"))

    def storage_classes(self) -> list[str]:
        """The names of the storage classes, a default one first."""
        items = self._items("storageclasses")
        names = {item["metadata"]["name"]: item["metadata"].get("annotations", {}) for item in items}
        return sorted(names, key=lambda name: (names[name].get(_DEFAULT_CLASS) != "true", name))

    def pools(self) -> list[str]:
        """The ranges of addresses that MetalLB may give, empty without MetalLB."""
        known = self._kubectl("api-resources", "--api-group=metallb.io", "--output=name")
        items = self._items(_POOLS) if _POOLS in known.split() else []
        return [addresses for item in items for addresses in item["spec"].get("addresses", ())]

    def taken_addresses(self) -> set[str]:
        """The addresses that Services have or ask for."""
        found: set[str] = set()
        for item in self._items("services"):
            ingress = item["status"].get("loadBalancer", {}).get("ingress") or ()
            found |= {one["ip"] for one in ingress if "ip" in one}
            found.add(item["spec"].get("loadBalancerIP", ""))
        return found - {""}

    def _items(self, kind: str) -> list[dict[str, Any]]:
        answer = json.loads(self._kubectl("get", kind, "--all-namespaces", "--output=json"))
        return sorted(answer["items"], key=lambda item: str(item["metadata"]["name"]))

    def _kubectl(self, *arguments: str) -> str:
        with tempfile.NamedTemporaryFile("w", prefix="kubeconfig-") as file:  # readable by its owner alone
            file.write(self.kubeconfig)
            file.flush()
            command = [
                *("kubectl", f"--request-timeout={_SECONDS}s"),
                *([f"--kubeconfig={file.name}"] if self.kubeconfig else []),
                *([f"--context={self.context}"] if self.context else []),
                *arguments,
            ]
            try:
                done = subprocess.run(command, capture_output=True, text=True, check=False)
            except FileNotFoundError:
                message = "kubectl is not on PATH: this command asks it for the cluster's nodes; install it"
                raise OpsError(message) from None
        if done.returncode:
            reason = done.stderr.strip().rpartition("\n")[2]
            message = (
                f"`kubectl {' '.join(arguments)}` failed: {reason}; kubectl must reach the cluster from "
                "here (`kubectl get nodes`): K3s's own /etc/rancher/k3s/k3s.yaml names 127.0.0.1 where a copy of it "
                "must name the server"
            )
            raise OpsError(message)
        return done.stdout


def contains(pools: Sequence[str], address: str) -> bool:
    """Whether one of these ranges has the address."""
    wanted = ipaddress.ip_address(address)
    return any(
        first.version == wanted.version and int(first) <= int(wanted) <= int(last) for first, last in map(_ends, pools)
    )


def free_addresses(pools: Sequence[str], taken: set[str], number: int) -> list[str]:
    """The first free addresses of these ranges, at most `number`."""
    return list(itertools.islice((one for pool in pools for one in _addresses(pool) if one not in taken), number))


_SMALLEST_WITH_BROADCAST: Final = 4
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _ends(pool: str) -> tuple[_Address, _Address]:
    """The first and the last address of a range as MetalLB writes it: FIRST-LAST or a network."""
    first, dash, last = pool.partition("-")
    if dash:
        return ipaddress.ip_address(first.strip()), ipaddress.ip_address(last.strip())
    network = ipaddress.ip_network(pool, strict=False)
    return network[0], network[-1]


def _addresses(pool: str) -> Iterator[str]:
    """The range's addresses, but for a network's own one and its broadcast address, which no client reaches."""
    first, last = _ends(pool)
    unusable = 0 if "-" in pool or int(last) - int(first) < _SMALLEST_WITH_BROADCAST - 1 else 1
    begin, end = int(first) + unusable, int(last) - unusable * (first.version == 4)  # noqa: PLR2004  # IPv6 has none
    return (str(type(first)(number)) for number in range(begin, end + 1))
