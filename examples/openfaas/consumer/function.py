"""One function, as the Deployment and Service that faas-netes makes of it, so that OpenFaaS finds and scales it."""

from collections.abc import Sequence
from typing import Final

import pulumi
import pulumi_kubernetes as kubernetes

_PORT: Final = 8080
_HEALTH: Final = "/_/health"


def deploy(
    name: str,
    image: pulumi.Input[str],
    *,
    namespace: str,
    replicas: int,
    depends_on: Sequence[pulumi.Resource] = (),
) -> None:
    """Create the Deployment and the Service of a function."""
    core = kubernetes.core.v1
    labels = {"faas_function": name}
    metadata = kubernetes.meta.v1.ObjectMetaArgs(
        name=name, namespace=namespace, labels=labels, annotations={"prometheus.io.scrape": "false"}
    )
    options = pulumi.ResourceOptions(depends_on=[*depends_on])
    kubernetes.apps.v1.Deployment(
        f"{name}-function",
        metadata=metadata,
        spec=kubernetes.apps.v1.DeploymentSpecArgs(
            replicas=replicas,
            revision_history_limit=10,
            selector=kubernetes.meta.v1.LabelSelectorArgs(match_labels=labels),
            strategy=kubernetes.apps.v1.DeploymentStrategyArgs(
                type="RollingUpdate",
                rolling_update=kubernetes.apps.v1.RollingUpdateDeploymentArgs(max_surge=1, max_unavailable=0),
            ),
            template=core.PodTemplateSpecArgs(
                metadata=kubernetes.meta.v1.ObjectMetaArgs(labels=labels),
                spec=core.PodSpecArgs(
                    containers=[
                        core.ContainerArgs(
                            name=name,
                            image=image,
                            # A node that has the version runs it while the registry is away.
                            image_pull_policy="IfNotPresent",
                            ports=[core.ContainerPortArgs(name="http", container_port=_PORT)],
                            readiness_probe=_probe(),
                            liveness_probe=_probe(),
                            security_context=core.SecurityContextArgs(
                                allow_privilege_escalation=False, read_only_root_filesystem=True
                            ),
                        )
                    ]
                ),
            ),
        ),
        opts=options,
    )
    core.Service(
        f"{name}-service",
        metadata=metadata,
        spec=core.ServiceSpecArgs(
            type="ClusterIP",
            selector=labels,
            ports=[core.ServicePortArgs(name="http", protocol="TCP", port=_PORT, target_port=_PORT)],
        ),
        opts=options,
    )


def _probe() -> kubernetes.core.v1.ProbeArgs:
    core = kubernetes.core.v1
    return core.ProbeArgs(
        http_get=core.HTTPGetActionArgs(path=_HEALTH, port=_PORT),
        initial_delay_seconds=2,
        period_seconds=2,
        timeout_seconds=1,
        success_threshold=1,
        failure_threshold=3,
    )
