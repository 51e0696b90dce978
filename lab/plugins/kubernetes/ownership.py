"""The ownership of fields (`metadata.managedFields`), and when to take fields over.

As upstream does: an object is created by a plain POST under one fixed manager name; each later update is a server-side
apply under a name of the object's own. To the API server those are two managers, so before the first apply what the
POST set is handed over; likewise what `kubectl apply` or `kubectl edit` under the plain name `kubectl` set.
"""

import secrets
from collections.abc import Mapping
from typing import Any, Final

from lab.plugins.kubernetes import naming
from lab.plugins.kubernetes.client import ApiError, Client, Kind, Object

CREATOR: Final = "pulumi-kubernetes"
"""The manager of a create."""

PATCH_FORCE: Final = "pulumi.com/patchForce"
PATCH_FIELD_MANAGER: Final = "pulumi.com/patchFieldManager"
STATE_KEY: Final = "__fieldManager"
"""The key under which the engine's state stores an object's manager."""

_TRIES: Final = 5

_CREATORS: Final = frozenset({CREATOR, "pulumi-kubernetes.exe", "pulumi-resource-kubernetes"})
_TAKEN_OVER: Final = frozenset(
    {("kubectl", "Apply"), ("kubectl", "Update"), ("before-first-apply", "Update")}
    | {(manager, "Update") for manager in _CREATORS}
)


def manager(state: Mapping[str, Any], inputs: Object) -> str:
    """The field manager of an object: annotated, else the one it has had, else a new one."""
    annotated = naming.annotations_of(inputs).get(PATCH_FIELD_MANAGER)
    return str(annotated or state.get(STATE_KEY) or f"pulumi-kubernetes-{secrets.token_hex(4)}")


def handover(live: Object, manager: str) -> list[Object]:
    """The JSON patch that hands the fields of former managers to `manager`; empty if there is nothing to hand over.

    It names the resource version, so that it fails rather than overwrite what another has done meanwhile.
    """
    entries = live["metadata"].get("managedFields") or []
    given = [entry for entry in entries if _is_taken_over(entry)]
    if not given:
        return []
    own = [
        e for e in entries if (e.get("manager"), e.get("operation")) == (manager, "Apply") and not e.get("subresource")
    ]
    fields: dict[str, Any] = {}
    for entry in [*own, *given]:
        _merge(fields, entry.get("fieldsV1") or {})
    merged = {**(own or given)[0], "manager": manager, "operation": "Apply", "fieldsV1": fields}
    kept = [entry for entry in entries if entry not in given and entry not in own]
    return [
        {"op": "replace", "path": "/metadata/managedFields", "value": [merged, *kept]},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]},
    ]


def take_over(client: Client, kind: Kind, live: Object, manager: str) -> Object:
    """Make `manager` the owner of the fields that the create set, again if a controller interferes."""
    namespace, name = naming.namespace_of(live), naming.name_of(live)
    for tries_left in reversed(range(_TRIES)):
        patch = handover(live, manager)
        if not patch:
            return live
        try:
            return client.json_patch(kind, namespace, name, patch)
        except ApiError as error:
            if error.reason != "Conflict" or not tries_left:
                raise
            live = client.get(kind, namespace, name)
    return live


def forces(inputs: Object, live: Object, *, provider_forces: bool, preview: bool) -> bool:
    """Whether an apply takes fields that others own.

    By annotation or provider option; in a preview with the handover still to come; where no owners are recorded.
    """
    if provider_forces or naming.is_set(inputs, PATCH_FORCE):
        return True
    entries = live["metadata"].get("managedFields") or []
    created = any(entry.get("manager") in _CREATORS and entry.get("operation") == "Update" for entry in entries)
    return not entries or (preview and created)


def _is_taken_over(entry: Object) -> bool:
    return not entry.get("subresource") and (entry.get("manager"), entry.get("operation")) in _TAKEN_OVER


def _merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, value in other.items():
        _merge(into.setdefault(key, {}), value)
