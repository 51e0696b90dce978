"""Type tokens, object names and the IDs under which the engine's state knows objects."""

import hashlib
from collections.abc import Mapping
from typing import Any

AUTONAMED = "pulumi.com/autonamed"
"""The annotation that marks a generated name."""

_NOT_COVERED_GROUPS = ("helm.sh", "kustomize", "yaml", "yaml/v2")

_CLUSTER_SCOPED = frozenset(
    {
        "APIService",
        "CSIDriver",
        "CSINode",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "FlowSchema",
        "IngressClass",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PriorityClass",
        "PriorityLevelConfiguration",
        "RuntimeClass",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
        "VolumeAttachment",
    }
)


def refusal(token: str) -> str | None:
    """Why the stand-in does not serve the resource type `token` (`kubernetes:apps/v1:Deployment`); None if it does."""
    _, module, kind = token.split(":", 2)
    if module.split("/")[0] in _NOT_COVERED_GROUPS or kind.endswith(("Patch", "List")):
        return (
            f"{token} is not covered by the stand-in for the Kubernetes plugin: it serves plain objects only "
            "(no Patch and List resources, Helm, Kustomize or YAML groups). Use the upstream plugin for it"
        )
    return None


def is_cluster_scoped(kind: str) -> bool:
    """Whether a built-in kind has no namespace; False for every kind that is not built in."""
    return kind in _CLUSTER_SCOPED


def name_of(obj: Mapping[str, Any]) -> str:
    """`metadata.name`, empty if it has none."""
    return str((obj.get("metadata") or {}).get("name") or "")


def namespace_of(obj: Mapping[str, Any]) -> str:
    """`metadata.namespace`, empty if it has none."""
    return str((obj.get("metadata") or {}).get("namespace") or "")


def annotations_of(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """`metadata.annotations`, empty if there are none."""
    annotations = (obj.get("metadata") or {}).get("annotations")
    return annotations if isinstance(annotations, dict) else {}


def is_set(obj: Mapping[str, Any], annotation: str) -> bool:
    """Whether an annotation is the string `true`."""
    return annotations_of(obj).get(annotation) == "true"


def object_id(obj: Mapping[str, Any]) -> str:
    """The ID in the engine's state: `namespace/name`, or `name` for an object without a namespace."""
    namespace = namespace_of(obj)
    return f"{namespace}/{name_of(obj)}" if namespace else name_of(obj)


def split_id(object_id: str) -> tuple[str, str]:
    """Namespace (maybe empty) and name of an ID."""
    namespace, _, name = object_id.rpartition("/")
    return namespace, name


def type_of(urn: str) -> tuple[str, str]:
    """`apiVersion` and `kind` as the resource's type token has them; the core group is `v1`."""
    _, module, kind = urn.split("::")[2].rsplit("$", 1)[-1].split(":", 2)
    return module.removeprefix("core/"), kind


def resource_name(urn: str) -> str:
    """The program's name of the resource."""
    return urn.rsplit("::", 1)[-1]


def named(inputs: dict[str, Any], old_inputs: Mapping[str, Any], urn: str, seed: bytes) -> dict[str, Any]:
    """`inputs` with a name: their own, else the one made up earlier, else `<resource name>-<8 hex digits>`.

    The digits come from the engine's seed, which it keeps, so that a preview and its update agree.
    """
    metadata = dict(inputs.get("metadata") or {})
    if metadata.get("name"):
        return inputs
    if name_of(old_inputs) and is_set(old_inputs, AUTONAMED):
        metadata["name"] = name_of(old_inputs)
    elif old_inputs and not is_set(old_inputs, AUTONAMED) and metadata.get("generateName"):
        return inputs
    else:
        digits = hashlib.sha256(seed or urn.encode()).hexdigest()[:8]
        metadata["name"] = f"{resource_name(urn)}-{digits}"
    metadata["annotations"] = {**(metadata.get("annotations") or {}), AUTONAMED: "true"}
    return {**inputs, "metadata": metadata}
