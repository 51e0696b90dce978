"""What pods get so that they use the registry as nodes do: its names, its authorities, and the news that it exists.

Nothing else waits for these objects, and none exists unless the configuration asks for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_kubernetes as kubernetes
import yaml

from components.config.registry import RegistrySettings
from components.registry.address import cluster_endpoint
from components.registry.cluster_dns import DNS_CONFIG, DNS_KEY, DNS_NAMESPACE, refuse_second_blocks, server_block
from components.registry.metadata import OVERWRITE_MANUAL_CHANGES, object_metadata
from components.registry.registry import delete_first

_TRUST_NAME: Final = "k3s-registry-ca"
_TRUST_KEY: Final = "ca.crt"
_ANNOUNCEMENT_NAMESPACE: Final = "kube-public"
_ANNOUNCEMENT_NAME: Final = "local-registry-hosting"
_ANNOUNCEMENT_KEY: Final = "localRegistryHosting.v1"
_HELP_URL: Final = "https://docs.k3s.io/installation/private-registry"


@dataclass(frozen=True, kw_only=True)
class PodAccessArgs:
    """What pods get, and what it is made of."""

    settings: RegistrySettings
    bundle_pem: pulumi.Input[str]
    """The certificates of every authority that nodes trust."""
    namespace: Sequence[pulumi.Resource]
    """The registry's namespace; empty where another one is used as it is."""


class PodAccess(pulumi.ComponentResource):
    """The names in the cluster's DNS, the trust bundle in namespaces, and the announcement, each if configured."""

    def __init__(self, name: str, args: PodAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("k3s-registry:index:PodAccess", name, {}, opts)
        settings = args.settings
        if settings.pods.names:
            # A patch owns one key: all others stay the user's, also when it is deleted.
            dns = kubernetes.core.v1.ConfigMapPatch(
                f"{name}-names",
                metadata=kubernetes.meta.v1.ObjectMetaPatchArgs(
                    name=DNS_CONFIG, namespace=DNS_NAMESPACE, annotations=OVERWRITE_MANUAL_CHANGES
                ),
                data={DNS_KEY: server_block(settings.names, settings.address)},
                opts=pulumi.ResourceOptions(parent=self),
            )
            dns.data.apply(lambda found: refuse_second_blocks(settings.names, found or {}))
        for namespace in settings.pods.trust_bundle:
            kubernetes.core.v1.ConfigMap(
                f"{name}-trust-{namespace}",
                metadata=object_metadata(namespace, _TRUST_NAME),
                data={_TRUST_KEY: args.bundle_pem},
                opts=delete_first(self, args.namespace if namespace == settings.namespace else []),
            )
        if settings.pods.announce:
            kubernetes.core.v1.ConfigMap(
                f"{name}-announcement",
                metadata=object_metadata(_ANNOUNCEMENT_NAMESPACE, _ANNOUNCEMENT_NAME),
                data={_ANNOUNCEMENT_KEY: announcement(settings)},
                opts=delete_first(self, []),
            )
        self.register_outputs({})


def announcement(settings: RegistrySettings) -> str:
    """The registry for tools that build and deploy (KEP-1755): how they reach it from outside, from a node, from a pod.

    A pod is sent to the Service where the cluster's DNS does not know the registry's name.
    """
    from_pods = settings.endpoint if settings.pods.names else cluster_endpoint(settings.namespace, settings.port)
    return yaml.safe_dump(
        {
            "host": settings.endpoint,
            "hostFromContainerRuntime": settings.endpoint,
            "hostFromClusterNetwork": from_pods,
            "help": _HELP_URL,
        },
        sort_keys=False,
    )
