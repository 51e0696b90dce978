"""Which connections the pods of registry and caches accept, where the cluster enforces such rules, as K3s does."""

from collections.abc import Mapping, Sequence
from typing import Final

import pulumi_kubernetes as kubernetes

from components.config.monitoring import Monitoring
from components.registry.metrics import METRICS_PORT

_NAMESPACE_NAME: Final = "kubernetes.io/metadata.name"


def network_policy(
    selector: Mapping[str, str], open_ports: Sequence[int], monitoring: Monitoring | None = None
) -> kubernetes.networking.v1.NetworkPolicySpecArgs:
    """Everybody reaches these ports; metrics, beside which the debug server has profiles, only the pods named.

    What the pods themselves connect to is not restricted: a registry opens no connections unless the user configures it
    to, and a cache's upstream is anywhere.
    """
    networking = kubernetes.networking.v1
    rules = [networking.NetworkPolicyIngressRuleArgs(ports=[_port(number) for number in open_ports])]
    if monitoring is not None and monitoring.exposes_metrics:
        rules.append(networking.NetworkPolicyIngressRuleArgs(ports=[_port(METRICS_PORT)], from_=[_pods_of(monitoring)]))
    return networking.NetworkPolicySpecArgs(
        pod_selector=kubernetes.meta.v1.LabelSelectorArgs(match_labels=selector),
        policy_types=["Ingress"],
        ingress=rules,
    )


def _port(number: int) -> kubernetes.networking.v1.NetworkPolicyPortArgs:
    return kubernetes.networking.v1.NetworkPolicyPortArgs(protocol="TCP", port=number)


def _pods_of(monitoring: Monitoring) -> kubernetes.networking.v1.NetworkPolicyPeerArgs:
    named = [
        kubernetes.meta.v1.LabelSelectorRequirementArgs(
            key=_NAMESPACE_NAME, operator="In", values=list(monitoring.namespaces)
        )
    ]
    # An empty selector selects every namespace.
    chosen = kubernetes.meta.v1.LabelSelectorArgs(match_expressions=named if monitoring.namespaces else [])
    return kubernetes.networking.v1.NetworkPolicyPeerArgs(namespace_selector=chosen)
