"""The Services at the registry's address on the LAN: the registry's own, and one of each cache."""

from collections.abc import Mapping
from typing import Final

import pulumi_kubernetes as kubernetes

from components.config.registry import LoadBalancer, RegistrySettings
from components.registry.metadata import object_metadata
from components.registry.passwords import NODES_CONTAINER_PORT
from components.registry.pod import CONTAINER_PORT

_SHARE: Final = "/allow-shared-ip"
_SHARED: Final = {f"{domain}{_SHARE}": "k3s-registry" for domain in ("metallb.io", "metallb.universe.tf")}
"""By which MetalLB lets Services with different ports share an address. Its newer versions read the first name and fall
back to the second, the only one that older versions know."""


def registry_ports(settings: RegistrySettings) -> Mapping[int, int]:
    """The registry's ports on the LAN, and those of its containers."""
    ports = {settings.port: CONTAINER_PORT}
    if settings.auth.configured:
        ports[settings.auth.pull_port] = NODES_CONTAINER_PORT
    return ports


def service_metadata(settings: RegistrySettings, name: str) -> kubernetes.meta.v1.ObjectMetaArgs:
    """Name and annotations of a Service at the registry's address."""
    # Awaiting the Service would take ten seconds and show less than the pull proof does.
    return object_metadata(settings.namespace, name, {**annotations(settings), "pulumi.com/skipAwait": "true"})


def annotations(settings: RegistrySettings) -> Mapping[str, str]:
    """What the load balancer is told; with caches, that they share the address. The user's own words for that stay."""
    own = settings.service.annotations
    shares = settings.cache and settings.load_balancer is LoadBalancer.METALLB
    if not shares or any(name.endswith(_SHARE) for name in own):
        return own
    return {**_SHARED, **own}


def service(
    settings: RegistrySettings, selector: Mapping[str, str], targets: Mapping[int, int]
) -> kubernetes.core.v1.ServiceSpecArgs:
    """These ports at the registry's address on the LAN."""
    core = kubernetes.core.v1
    # The name holds the number: in a preview's dry run the old port is still there, and a duplicate name is refused.
    ports = [
        core.ServicePortArgs(name=f"docker-{port}", protocol="TCP", port=port, target_port=target)
        for port, target in targets.items()
    ]
    # A cluster gives a Service only its first IP family, which is IPv4 on most clusters.
    families = ["IPv6"] if ":" in settings.address else None
    if settings.load_balancer is LoadBalancer.NONE:
        # The address is routed to the nodes by other means, and kube-proxy must accept it there.
        return core.ServiceSpecArgs(
            selector=selector, type="ClusterIP", ports=ports, external_ips=[settings.address], ip_families=families
        )
    # The field, not MetalLB's annotation: the annotation's name has changed, and MetalLB refuses both together.
    wanted = settings.address if settings.load_balancer is LoadBalancer.METALLB else None
    return core.ServiceSpecArgs(
        selector=selector, type="LoadBalancer", ports=ports, load_balancer_ip=wanted, ip_families=families
    )
