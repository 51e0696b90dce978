"""Which connections the pods of registry and caches accept, where the cluster enforces such rules, as K3s does."""

from collections.abc import Mapping, Sequence
from typing import Final

import pulumi_kubernetes as kubernetes

from components.config.auth import AuthSettings
from components.config.monitoring import Monitoring
from components.registry.metrics import METRICS_PORT
from components.registry.passwords import NODES_CONTAINER_PORT
from components.registry.pod import CONTAINER_PORT, LABELS

_NAMESPACE_NAME: Final = "kubernetes.io/metadata.name"


# The annotations are strings, or every stack would load the types of a kind that few have.
def network_policy(monitoring: Monitoring, auth: AuthSettings) -> "kubernetes.networking.v1.NetworkPolicySpecArgs":
    """Everybody reaches the registry; its metrics, beside which the debug server has profiles, only the pods named.

    What the pod itself connects to is not restricted: it opens no connections, unless the user configures it to.
    """
    open_ports = [CONTAINER_PORT, *([NODES_CONTAINER_PORT] if auth.configured else [])]
    metrics = [_rule([METRICS_PORT], [_pods_of(monitoring)])] if monitoring.exposes_metrics else []
    return _policy(LABELS, [_rule(open_ports), *metrics])


def cache_policy(labels: Mapping[str, str]) -> "kubernetes.networking.v1.NetworkPolicySpecArgs":
    """Everybody reaches the port of caches, which asks for a certificate. Their upstreams are anywhere."""
    return _policy(labels, [_rule([CONTAINER_PORT])])


def _policy(
    labels: Mapping[str, str], rules: "Sequence[kubernetes.networking.v1.NetworkPolicyIngressRuleArgs]"
) -> "kubernetes.networking.v1.NetworkPolicySpecArgs":
    selector = kubernetes.meta.v1.LabelSelectorArgs(match_labels=labels)
    return kubernetes.networking.v1.NetworkPolicySpecArgs(
        pod_selector=selector, policy_types=["Ingress"], ingress=list(rules)
    )


def _rule(
    ports: Sequence[int], peers: "Sequence[kubernetes.networking.v1.NetworkPolicyPeerArgs] | None" = None
) -> "kubernetes.networking.v1.NetworkPolicyIngressRuleArgs":
    return kubernetes.networking.v1.NetworkPolicyIngressRuleArgs(
        ports=[_port(number) for number in ports], from_=None if peers is None else list(peers)
    )


def _port(number: int) -> "kubernetes.networking.v1.NetworkPolicyPortArgs":
    return kubernetes.networking.v1.NetworkPolicyPortArgs(protocol="TCP", port=number)


def _pods_of(monitoring: Monitoring) -> "kubernetes.networking.v1.NetworkPolicyPeerArgs":
    named = [
        kubernetes.meta.v1.LabelSelectorRequirementArgs(
            key=_NAMESPACE_NAME, operator="In", values=list(monitoring.namespaces)
        )
    ]
    # An empty selector selects every namespace.
    chosen = kubernetes.meta.v1.LabelSelectorArgs(match_expressions=named if monitoring.namespaces else [])
    return kubernetes.networking.v1.NetworkPolicyPeerArgs(namespace_selector=chosen)
