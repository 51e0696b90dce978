"""Name, label and annotations of the objects that belong to a stack."""

from collections.abc import Mapping
from typing import Final

import pulumi_kubernetes as kubernetes

from components.registry.pod import LABELS

OVERWRITE_MANUAL_CHANGES: Final = {"pulumi.com/patchForce": "true"}
"""Without this annotation, one field changed by hand (`kubectl scale`) makes every later `up` fail with a conflict."""


def object_metadata(
    namespace: str | None, name: str, annotations: Mapping[str, str] | None = None
) -> kubernetes.meta.v1.ObjectMetaArgs:
    """Name, label and annotations of an object that belongs to this stack alone."""
    return kubernetes.meta.v1.ObjectMetaArgs(
        name=name, namespace=namespace, labels=LABELS, annotations={**(annotations or {}), **OVERWRITE_MANUAL_CHANGES}
    )
