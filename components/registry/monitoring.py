"""What the cluster's own Prometheus and Grafana get: a way to the metrics, alerts, and a dashboard.

Nothing else waits for these objects, and none exists unless the configuration asks for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pulumi
import pulumi_kubernetes as kubernetes

from components.config.registry import RegistrySettings
from components.registry.alerts import METRICS_SERVICE, rules
from components.registry.dashboard import dashboard
from components.registry.metadata import OVERWRITE_MANUAL_CHANGES, object_metadata
from components.registry.metrics import METRICS_PORT, METRICS_PORT_NAME
from components.registry.pod import LABELS
from components.registry.registry import delete_first

_NAME: Final = "registry"
_API: Final = "monitoring.coreos.com"
_OPERATOR_VERSION: Final = f"{_API}/v1"
_DASHBOARD_NAME: Final = "registry-dashboard"
_DASHBOARD_KEY: Final = "k3s-registry.json"
_DASHBOARD_LABEL: Final = {"grafana_dashboard": "1"}
"""Grafana's sidecar, as kube-prometheus-stack installs it, looks for this label in every namespace."""


@dataclass(frozen=True, kw_only=True)
class RegistryMonitoringArgs:
    """What is watched, and the moments that alerts must know."""

    settings: RegistrySettings
    renew_days: int
    server_not_after: pulumi.Input[str]
    issuer_not_after: pulumi.Input[str]
    oldest_proof: pulumi.Input[int | None]
    """When the node whose proof is the oldest pulled, in seconds since 1970; None if no node has."""
    namespace: Sequence[pulumi.Resource]
    """The registry's namespace; empty where another one is used as it is."""


class RegistryMonitoring(pulumi.ComponentResource):
    """The metrics' Service, and the ServiceMonitor, the PrometheusRule and the dashboard, each if configured."""

    def __init__(self, name: str, args: RegistryMonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("k3s-registry:index:RegistryMonitoring", name, {}, opts)
        settings, monitoring = args.settings, args.settings.monitoring
        kubernetes.core.v1.Service(
            f"{name}-metrics",
            # A Service that selects pods needs no address of its own and is ready at once.
            metadata=object_metadata(settings.namespace, METRICS_SERVICE, {"pulumi.com/skipAwait": "true"}),
            spec=metrics_service(),
            opts=delete_first(self, args.namespace),
        )
        if monitoring.service_monitor:
            self._custom(
                f"{name}-service-monitor", "ServiceMonitor", "monitoring.serviceMonitor", service_monitor(), args
            )
        if monitoring.alerts:
            spec = pulumi.Output.all(args.server_not_after, args.issuer_not_after, args.oldest_proof).apply(
                lambda known: rules(
                    settings,
                    renew_days=args.renew_days,
                    server_not_after=known[0],
                    issuer_not_after=known[1],
                    oldest_proof=known[2],
                )
            )
            self._custom(f"{name}-alerts", "PrometheusRule", "monitoring.alerts", spec, args)
        if monitoring.dashboard:
            kubernetes.core.v1.ConfigMap(
                f"{name}-dashboard",
                metadata=kubernetes.meta.v1.ObjectMetaArgs(
                    name=_DASHBOARD_NAME,
                    namespace=settings.namespace,
                    labels={**LABELS, **_DASHBOARD_LABEL},
                    annotations=OVERWRITE_MANUAL_CHANGES,
                ),
                data={_DASHBOARD_KEY: dashboard(settings)},
                opts=delete_first(self, args.namespace),
            )
        self.register_outputs({})

    def _custom(
        self, name: str, kind: str, key: str, spec: pulumi.Input[Mapping[str, Any]], args: RegistryMonitoringArgs
    ) -> None:
        options = delete_first(self, args.namespace)
        options.hooks = pulumi.ResourceHookBinding(on_error=[pulumi.ErrorHook(f"{name}-failure", explained(kind, key))])
        kubernetes.apiextensions.CustomResource(
            name,
            api_version=_OPERATOR_VERSION,
            kind=kind,
            metadata=kubernetes.meta.v1.ObjectMetaArgs(
                name=_NAME,
                namespace=args.settings.namespace,
                labels={**args.settings.monitoring.labels, **LABELS},
                annotations=OVERWRITE_MANUAL_CHANGES,
            ),
            spec=spec,
            opts=options,
        )


def metrics_service() -> kubernetes.core.v1.ServiceSpecArgs:
    """The metrics inside the cluster alone: the registry's own Service, on the LAN, does not have this port."""
    core = kubernetes.core.v1
    port = core.ServicePortArgs(
        name=METRICS_PORT_NAME, protocol="TCP", port=METRICS_PORT, target_port=METRICS_PORT_NAME
    )
    return core.ServiceSpecArgs(type="ClusterIP", selector=LABELS, ports=[port])


def service_monitor() -> Mapping[str, Any]:
    """The specification of a ServiceMonitor. Both Services have the label, only one has the port."""
    return {"selector": {"matchLabels": LABELS}, "endpoints": [{"port": METRICS_PORT_NAME}]}


def missing(kind: str, key: str, error: str) -> str | None:
    """The sentence for a cluster without the kind; None for any other error."""
    if "no matches for kind" not in error and "apiVersion for this resource does not exist" not in error:
        return None
    return (
        f"{key}: found no kind {kind} in the cluster; it belongs to the Prometheus operator, which must be installed "
        f"first: install it (for instance with kube-prometheus-stack), or set {key} to false"
    )


def explained(kind: str, key: str) -> Any:
    """A hook that logs that sentence, and requests no retry."""

    def log(failure: pulumi.ErrorHookArgs) -> bool:
        sentence = missing(kind, key, failure.errors[0] if failure.errors else "")
        if sentence is not None:
            pulumi.log.error(sentence)
        return False

    return log
