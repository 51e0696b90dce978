"""OpenFaaS itself: its functions' namespace, and its Helm chart with the values that this registry wants."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import yaml

from .settings import Chart, Settings


def namespaces(settings: Settings) -> list[pulumi.Resource]:
    """The namespaces of functions and of the chart, if this stack was asked to create them.

    A namespace takes everything in it along, functions of others too: it is protected, and stays in the cluster even
    after the protection was lifted.
    """
    if not settings.create_namespace:
        return []
    wanted = {"functions": settings.namespace}
    if settings.chart is not None and settings.chart.namespace != settings.namespace:
        wanted["core"] = settings.chart.namespace
    return [
        kubernetes.core.v1.Namespace(
            role,
            metadata=kubernetes.meta.v1.ObjectMetaArgs(name=name),
            opts=pulumi.ResourceOptions(protect=True, retain_on_delete=True),
        )
        for role, name in wanted.items()
    ]


def helm_values(functions: str) -> dict[str, Any]:
    """Values of the chart: without them, each start of a function asks the registry, and fails while that is away."""
    return {"functionNamespace": functions, "functions": {"imagePullPolicy": "IfNotPresent"}}


def as_yaml(values: Mapping[str, Any]) -> str:
    """The values as a file for `helm upgrade --values`."""
    return yaml.safe_dump(dict(values), sort_keys=False)


def install(chart: Chart, values: Mapping[str, Any], depends_on: Sequence[pulumi.Resource] = ()) -> None:
    """Install OpenFaaS by its chart."""
    kubernetes.helm.v4.Chart(
        "openfaas",
        chart=chart.name,
        namespace=chart.namespace,
        version=chart.version,
        repository_opts=kubernetes.helm.v4.RepositoryOptsArgs(repo=chart.repository) if chart.repository else None,
        values=dict(values),
        opts=pulumi.ResourceOptions(depends_on=[*depends_on]),
    )
