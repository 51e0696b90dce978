"""Which connections the registry's pod accepts, where the cluster enforces such rules, as K3s does by default."""

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
    networking = kubernetes.networking.v1
    open_ports = [CONTAINER_PORT, *([NODES_CONTAINER_PORT] if auth.configured else [])]
    rules = [networking.NetworkPolicyIngressRuleArgs(ports=[_port(number) for number in open_ports])]
    if monitoring.exposes_metrics:
        rules.append(networking.NetworkPolicyIngressRuleArgs(ports=[_port(METRICS_PORT)], from_=[_pods_of(monitoring)]))
    return networking.NetworkPolicySpecArgs(
        pod_selector=kubernetes.meta.v1.LabelSelectorArgs(match_labels=LABELS), policy_types=["Ingress"], ingress=rules
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
