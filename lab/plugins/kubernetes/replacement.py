"""Which fields cannot change in place, so that a change of one replaces the object."""

from collections.abc import Mapping
from typing import Any

from lab.plugins.values import Path, Plain

_IDENTITY = ("metadata.name", "metadata.namespace")
_WORKLOAD = ("spec.selector",)
_VOLUME_SOURCES = (
    "awsElasticBlockStore azureDisk azureFile cephfs cinder csi fc flexVolume flocker gcePersistentDisk glusterfs "
    "hostPath iscsi local nfs photonPersistentDisk portworxVolume quobyte rbd scaleIO storageos vsphereVolume"
)
_JOB = ("spec.completions", "spec.parallelism", "spec.selector", "spec.template")
_STATEFUL_SET = (
    "spec.podManagementPolicy",
    "spec.revisionHistoryLimit",
    "spec.selector",
    "spec.serviceName",
    "spec.volumeClaimTemplates",
)
_CLAIM = ("spec.accessModes", "spec.selector", "spec.storageClassName", "spec.volumeName")
_POD_IN_PLACE = frozenset({"activeDeadlineSeconds", "tolerations"})

_FIELDS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("", "PersistentVolume"): tuple(f"spec.{source}" for source in _VOLUME_SOURCES.split()),
    ("", "PersistentVolumeClaim"): _CLAIM,
    ("", "ResourceQuota"): ("spec.scopes",),
    ("", "Secret"): ("type",),
    ("", "Service"): ("spec.clusterIP",),
    ("apps", "DaemonSet"): _WORKLOAD,
    ("apps", "Deployment"): _WORKLOAD,
    ("apps", "StatefulSet"): _STATEFUL_SET,
    ("batch", "Job"): _JOB,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): ("roleRef",),
    ("rbac.authorization.k8s.io", "RoleBinding"): ("roleRef",),
    ("storage.k8s.io", "StorageClass"): ("parameters", "provisioner"),
}


def fixed_fields(obj: Mapping[str, Any], *, secret_mutable: bool, config_map_mutable: bool) -> tuple[Path, ...]:
    """The paths, without list indexes, whose change replaces this object."""
    group, kind = _group_and_kind(obj)
    fields = _IDENTITY + _FIELDS.get((group, kind), ())
    if (group, kind) == ("", "Secret") and (not secret_mutable or obj.get("immutable") is True):
        fields += ("data", "stringData")
    if (group, kind) == ("", "ConfigMap") and (not config_map_mutable or obj.get("immutable") is True):
        fields += ("data", "binaryData")
    paths = tuple(tuple(field.split(".")) for field in fields)
    if (group, kind) == ("", "Pod"):
        paths += tuple(("spec", field) for field in (obj.get("spec") or {}) if field not in _POD_IN_PLACE)
    return paths


def replaces(path: Path, values: tuple[Plain, Plain], fixed: tuple[Path, ...]) -> bool:
    """Whether a change at `path`, from the first of `values` to the second, touches a fixed field.

    It does at the field, inside it, or above it where one of the values has the field in it.
    """
    names = tuple(step for step in path if isinstance(step, str))
    for field in fixed:
        if names[: len(field)] == field:
            return True
        if field[: len(names)] == names and any(_holds(value, field[len(names) :]) for value in values):
            return True
    return False


def _holds(value: Plain, rest: Path) -> bool:
    for step in rest:
        if not isinstance(value, dict) or step not in value:
            return False
        value = value[step]
    return True


def _group_and_kind(obj: Mapping[str, Any]) -> tuple[str, str]:
    group, slash, _ = str(obj.get("apiVersion", "")).partition("/")
    return (group if slash else "", str(obj.get("kind", "")))
