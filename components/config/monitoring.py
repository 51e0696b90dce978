"""The part of the configuration that describes how the registry is watched; all of it is off by default."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from components.config.types import Boolean, Integer, Label, Model, NodeLabelName, NodeLabelValue


class Monitoring(Model):
    """What the cluster's own Prometheus and Grafana get."""

    metrics: Boolean = Field(
        default=False,
        description="Whether the registry's metrics have a Service inside the cluster; each other key that is on needs "
        "them, and so switches them on.",
        examples=[True],
    )
    service_monitor: Boolean = Field(
        default=False,
        description="Whether a ServiceMonitor makes Prometheus read the metrics; the cluster must have that CRD.",
        examples=[True],
    )
    alerts: Boolean = Field(
        default=False,
        description="Whether a PrometheusRule has alerts; the cluster must have that CRD.",
        examples=[True],
    )
    proof_days: Annotated[Integer, Field(ge=1, le=3650)] = Field(
        default=90,
        description="With alerts: after how many days without a new proof of every node one of them says so.",
        examples=[30],
    )
    dashboard: Boolean = Field(
        default=False,
        description="Whether a ConfigMap has a dashboard for Grafana, with the label that its sidecar looks for.",
        examples=[True],
    )
    labels: Mapping[NodeLabelName, NodeLabelValue] = Field(
        default={},
        description="Labels of ServiceMonitor and PrometheusRule, by which your Prometheus selects them.",
        examples=[{"release": "prometheus"}],
    )
    namespaces: tuple[Label, ...] = Field(
        default=(),
        description="With networkPolicy: the namespaces whose pods may read the metrics; without it, every pod may.",
        examples=[["monitoring"]],
    )

    @property
    def exposes_metrics(self) -> bool:
        """Whether the registry's debug server runs."""
        return self.metrics or self.service_monitor or self.alerts or self.dashboard
