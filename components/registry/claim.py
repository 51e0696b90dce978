"""The claim that holds the images: it may grow in place, never shrinks, and is protected by default."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import pulumi
import pulumi_kubernetes as kubernetes

from components.config.registry import RegistrySettings
from components.registry.metadata import object_metadata

_POWERS: Final = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6, "k": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
_REFUSED: Final = "storageclass that provisions the pvc must support resize"
"""Kubernetes' words where a claim may not grow; only what it refuses shows which classes do not allow it."""


def claim(
    name: str,
    settings: RegistrySettings,
    parent: pulumi.Resource,
    depends_on: Sequence[pulumi.Resource],
    key: str = "storage.size",
) -> list[pulumi.Resource]:
    """Create the claim, unless a bucket holds the images; a change of its size, the `key`, is judged in the preview."""
    storage = settings.storage
    if storage.s3 is not None:
        return []
    created = kubernetes.core.v1.PersistentVolumeClaim(
        name,
        metadata=object_metadata(settings.namespace, storage.claim_name),
        spec=kubernetes.core.v1.PersistentVolumeClaimSpecArgs(
            access_modes=[storage.access_mode.value],
            storage_class_name=storage.class_name,
            resources=kubernetes.core.v1.VolumeResourceRequirementsArgs(requests={"storage": storage.size}),
        ),
        # The claim holds the images. A changed class would delete and create it, and a destroy would delete it.
        opts=pulumi.ResourceOptions(
            parent=parent,
            depends_on=list(depends_on),
            protect=storage.protect,
            delete_before_replace=True,
            # The cluster sets this field, so an imported claim has it; removing it would replace the claim.
            ignore_changes=["spec.volumeName"],
            hooks=pulumi.ResourceHookBinding(
                before_update=[
                    pulumi.ResourceHook(f"{name}-size", _refuse_less(key), pulumi.ResourceHookOptions(on_dry_run=True))
                ],
                on_error=[pulumi.ErrorHook(f"{name}-growth", _explain(key))],
            ),
        ),
    )
    return [created]


def _refuse_less(key: str) -> Callable[[pulumi.ResourceHookArgs], None]:
    def judge(change: pulumi.ResourceHookArgs) -> None:
        reason = shrinks(key, _size(change.old_inputs), _size(change.new_inputs))
        if reason is not None:
            raise pulumi.RunError(reason)

    return judge


def _explain(key: str) -> Callable[[pulumi.ErrorHookArgs], bool]:
    def log(failure: pulumi.ErrorHookArgs) -> bool:
        sentence = cannot_grow(key, failure.errors[0] if failure.errors else "")
        if sentence is not None:
            pulumi.log.error(sentence)
        return False

    return log


def _size(inputs: Mapping[str, Any] | None) -> str | None:
    requests = ((inputs or {}).get("spec") or {}).get("resources", {}).get("requests", {})
    size = requests.get("storage")
    return size if isinstance(size, str) else None


def shrinks(key: str, before: str | None, after: str | None) -> str | None:
    """Why a claim of the size `before` cannot get the size `after`; None if it can, or if one of them is unknown."""
    if before is None or after is None or size_in_bytes(after) >= size_in_bytes(before):
        return None
    return (
        f"{key}: found {after}, and the claim was asked for {before}; Kubernetes never makes a claim smaller: "
        f"set {key} to {before}, or move the images to another claim (docs/operating.md, Space)"
    )


def cannot_grow(key: str, error: str) -> str | None:
    """The sentence for Kubernetes' refusal to let the claim grow; None for another error."""
    if _REFUSED not in error:
        return None
    return (
        f"{key}: the storage class does not let a claim grow (`kubectl get storageclass`, ALLOWVOLUMEEXPANSION); "
        f"set {key} back, or allow it where the class's storage can do it: "
        "`kubectl patch storageclass NAME -p '{\"allowVolumeExpansion\": true}'`"
    )


def size_in_bytes(quantity: str) -> Decimal:
    """The bytes of a quantity that the configuration's check has accepted."""
    number = quantity.rstrip("KMGTPEik")
    suffix = quantity.removeprefix(number)
    base = Decimal(1024 if suffix.endswith("i") else 1000)
    return Decimal(number) * base ** _POWERS.get(suffix, 0)
