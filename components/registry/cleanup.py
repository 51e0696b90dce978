"""The clean-up of old images: a CronJob, and the right to ask which images the cluster uses."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pulumi
import pulumi_kubernetes as kubernetes

from components.config.cleanup import Cleanup as CleanupSettings
from components.config.registry import RegistrySettings
from components.registry import handover
from components.registry.handover import CLEAN_UP, first_container, mount_scripts, probe
from components.registry.metadata import object_metadata
from components.registry.pod import LABELS, POD_LABELS, affinity, pod
from components.registry.registry import delete_first

_NAME: Final = "registry-cleanup"
_POD_LABELS: Final = {**LABELS, "name": _NAME}
"""The Service sends pulls to this pod as well. The Deployment does not adopt it, since a Job owns it."""
_WORKLOADS: Final = (
    ("", ["pods"]),
    ("apps", ["deployments", "statefulsets", "daemonsets"]),
    ("batch", ["cronjobs", "jobs"]),
)
"""What names images in use: also a workload without pods at the moment, such as a function that is scaled to zero."""
_DEADLINE_SECONDS: Final = 3600
_READY: Final = "test -e /scratch/serving && exec sh /scripts/serve.sh server_answers"


@dataclass(frozen=True, kw_only=True)
class CleanupArgs:
    """How the clean-up runs, and what it waits for."""

    settings: RegistrySettings
    registry: Sequence[pulumi.Resource]
    """The Deployment that lets go of the images."""
    namespace: Sequence[pulumi.Resource]
    """The registry's namespace; empty where another one is used as it is."""


class Cleanup(pulumi.ComponentResource):
    """ServiceAccount, ClusterRole, ClusterRoleBinding and CronJob."""

    def __init__(self, name: str, args: CleanupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("k3s-registry:index:Cleanup", name, {}, opts)
        settings = args.settings
        cluster_wide = f"{settings.namespace}-{_NAME}"
        account = kubernetes.core.v1.ServiceAccount(
            f"{name}-account",
            metadata=object_metadata(settings.namespace, _NAME),
            automount_service_account_token=False,
            opts=delete_first(self, args.namespace),
        )
        role = kubernetes.rbac.v1.ClusterRole(
            f"{name}-role",
            metadata=object_metadata(None, cluster_wide),
            rules=[
                kubernetes.rbac.v1.PolicyRuleArgs(api_groups=[group], resources=kinds, verbs=["list"])
                for group, kinds in _WORKLOADS
            ],
            opts=delete_first(self, []),
        )
        binding = kubernetes.rbac.v1.ClusterRoleBinding(
            f"{name}-binding",
            metadata=object_metadata(None, cluster_wide),
            role_ref=kubernetes.rbac.v1.RoleRefArgs(
                api_group="rbac.authorization.k8s.io", kind="ClusterRole", name=cluster_wide
            ),
            subjects=[kubernetes.rbac.v1.SubjectArgs(kind="ServiceAccount", name=_NAME, namespace=settings.namespace)],
            opts=delete_first(self, [role, account]),
        )
        kubernetes.batch.v1.CronJob(
            f"{name}-schedule",
            metadata=object_metadata(settings.namespace, _NAME),
            spec=schedule(settings),
            opts=delete_first(self, [binding, *args.registry]),
        )
        self.register_outputs({})


# The annotation is a string, or every stack would load the types of a kind that few have.
def schedule(settings: RegistrySettings) -> "kubernetes.batch.v1.CronJobSpecArgs":
    """When the clean-up runs. It is never tried again by itself: a person should read why it failed."""
    batch = kubernetes.batch.v1
    return batch.CronJobSpecArgs(
        schedule=settings.cleanup.schedule or "",
        concurrency_policy="Forbid",
        successful_jobs_history_limit=1,
        failed_jobs_history_limit=1,
        starting_deadline_seconds=600,
        job_template=batch.JobTemplateSpecArgs(
            metadata=kubernetes.meta.v1.ObjectMetaArgs(labels={"name": _NAME}),
            spec=batch.JobSpecArgs(
                backoff_limit=0,
                active_deadline_seconds=_DEADLINE_SECONDS,
                template=kubernetes.core.v1.PodTemplateSpecArgs(
                    metadata=kubernetes.meta.v1.ObjectMetaArgs(labels=_POD_LABELS),
                    spec=cleanup_pod(settings),
                ),
            ),
        ),
    )


def cleanup_pod(settings: RegistrySettings) -> kubernetes.core.v1.PodSpecArgs:
    """The registry's own pod, with the same image, claim and node, in which the clean-up runs instead."""
    core = kubernetes.core.v1
    spec = pod(settings)
    mount_scripts(spec)
    spec.affinity = beside_registries_that_hand_over(settings)
    spec.restart_policy = "Never"
    spec.service_account_name = _NAME
    container = first_container(spec)
    containers: Any = spec.containers
    if others := containers[1:]:
        # The nodes' own registry never ends. As a sidecar, it ends with the clean-up, and the Job with both.
        spec.containers, spec.init_containers = [container], others
        for other in others:
            other.restart_policy = "Always"
    container.name = "cleanup"
    container.command = [*CLEAN_UP]
    container.startup_probe = container.liveness_probe = container.lifecycle = None
    container.readiness_probe = probe("sh", "-c", _READY, period=1, failures=2)
    variables: Any = container.env
    variables += [core.EnvVarArgs(name=key, value=value) for key, value in parameters(settings.cleanup).items()]
    mounts: Any = container.volume_mounts
    mounts += [
        core.VolumeMountArgs(name="work", mount_path="/scratch"),
        core.VolumeMountArgs(name="credentials", mount_path="/credentials", read_only=True),
        # The one place where Alpine's ssl_client looks for authorities; the API server's is the only one needed.
        core.VolumeMountArgs(name="authority", mount_path="/etc/ssl/cert.pem", sub_path="ca.crt", read_only=True),
    ]
    token = core.ServiceAccountTokenProjectionArgs(path="token", expiration_seconds=_DEADLINE_SECONDS)
    volumes: Any = spec.volumes
    volumes += [
        core.VolumeArgs(name="work", empty_dir=core.EmptyDirVolumeSourceArgs()),
        core.VolumeArgs(
            name="credentials",
            projected=core.ProjectedVolumeSourceArgs(sources=[core.VolumeProjectionArgs(service_account_token=token)]),
        ),
        core.VolumeArgs(name="authority", config_map=core.ConfigMapVolumeSourceArgs(name="kube-root-ca.crt")),
    ]
    return spec


def beside_registries_that_hand_over(settings: RegistrySettings) -> kubernetes.core.v1.AffinityArgs | None:
    """Keeps the clean-up on the registry's node, and away from a registry that knows no locks.

    Such a pod exists for a moment when the clean-up is switched on or off. The scheduler reads this in both directions:
    no such pod starts here while a clean-up runs.
    """
    core = kubernetes.core.v1
    together = affinity(settings.storage)
    if together is not None:
        without_locks = kubernetes.meta.v1.LabelSelectorArgs(
            match_labels=POD_LABELS,
            match_expressions=[
                kubernetes.meta.v1.LabelSelectorRequirementArgs(key=key, operator="DoesNotExist")
                for key in handover.LABELS
            ],
        )
        together.pod_anti_affinity = core.PodAntiAffinityArgs(
            required_during_scheduling_ignored_during_execution=[
                core.PodAffinityTermArgs(topology_key="kubernetes.io/hostname", label_selector=without_locks)
            ]
        )
    return together


def parameters(cleanup: CleanupSettings) -> dict[str, str]:
    """The script's variables. No pattern contains a space."""
    return {
        "keep": str(cleanup.keep),
        "keep_patterns": " ".join(cleanup.keep_patterns),
        "dry_run": "true" if cleanup.dry_run else "false",
    }
