"""The registry's metrics: its debug server, which the pod runs only where they are read."""

from typing import Final

import pulumi_kubernetes as kubernetes

from components.config.monitoring import Monitoring

METRICS_PORT: Final = 5001
METRICS_PORT_NAME: Final = "metrics"


def environment(monitoring: Monitoring) -> list[kubernetes.core.v1.EnvVarArgs]:
    """The settings that start the debug server; none where nothing reads the metrics."""
    if not monitoring.exposes_metrics:
        return []
    return [
        kubernetes.core.v1.EnvVarArgs(name="REGISTRY_HTTP_DEBUG_ADDR", value=f":{METRICS_PORT}"),
        kubernetes.core.v1.EnvVarArgs(name="REGISTRY_HTTP_DEBUG_PROMETHEUS_ENABLED", value="true"),
    ]


def ports(monitoring: Monitoring) -> list[kubernetes.core.v1.ContainerPortArgs]:
    """The debug server's port; none where nothing reads the metrics."""
    if not monitoring.exposes_metrics:
        return []
    return [kubernetes.core.v1.ContainerPortArgs(name=METRICS_PORT_NAME, container_port=METRICS_PORT)]
