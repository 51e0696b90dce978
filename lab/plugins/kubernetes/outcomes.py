"""The result of an operation for the engine: the object for the state, or an error with its remedy."""

from collections.abc import Mapping
from typing import Any, Final, final

from lab.plugins.kubernetes import ownership
from lab.plugins.kubernetes.client import ApiError, Object
from lab.plugins.kubernetes.properties import Properties
from lab.plugins.server import PluginError

_API_VERSION_KEY: Final = "__initialApiVersion"
_HIDDEN: Final = (ownership.STATE_KEY, _API_VERSION_KEY)

_EXISTS_HINT: Final = """

The resource already exists in the cluster. This can happen when:

  - the resource was renamed in the program: give it an alias, so that the state's entry is kept
  - somebody or something else created it: import it, or leave it out of the program
  - an earlier run created it and its state was lost: import it, or delete it from the cluster"""

UNREACHABLE_HINT: Final = (
    "If the cluster is gone for good, run this again with PULUMI_K8S_DELETE_UNREACHABLE=true in the environment: its "
    "objects are then dropped from the state"
)


@final
class PartialError(Exception):
    """The object exists but is not ready: the engine keeps it in the state and tries again next time."""

    def __init__(
        self, message: str, object_id: str, outputs: Properties, inputs: Properties | None, reasons: tuple[str, ...]
    ) -> None:
        super().__init__(message)
        self.object_id = object_id
        self.outputs = outputs
        self.inputs = inputs
        self.reasons = (message, *reasons)


def checkpoint(live: Object, inputs: Properties, hidden: dict[str, Any]) -> Properties:
    """The object for the state, without `metadata.managedFields`, which are long and not needed there."""
    metadata = {key: value for key, value in live["metadata"].items() if key != "managedFields"}
    obj = {**live, "metadata": metadata}
    kept = {_API_VERSION_KEY: live["apiVersion"], **hidden} if hidden else {}
    return Properties.around({**obj, **kept}, inputs.secrets)


def without_hidden(state: Mapping[str, Any]) -> dict[str, Any]:
    """The object without the hidden fields."""
    return {key: value for key, value in state.items() if key not in _HIDDEN}


def hidden(state: Mapping[str, Any]) -> dict[str, Any]:
    """The hidden fields that the state stores beside the object."""
    return {key: state[key] for key in _HIDDEN if key in state}


def importable(live: Object) -> Object:
    """The inputs of an imported object: all its fields except those that the API server sets."""
    kept = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "uid", "selfLink")
    metadata = {key: value for key, value in live["metadata"].items() if key not in kept}
    return {**{key: value for key, value in live.items() if key != "status"}, "metadata": metadata}


def not_created(urn: str, error: Exception) -> PluginError:
    """The error of a create that created nothing."""
    hint = _EXISTS_HINT if isinstance(error, ApiError) and error.reason == "AlreadyExists" else ""
    return PluginError(f'resource "{urn}" was not successfully created by the Kubernetes API server: {error}{hint}')


def explained(error: Exception, manager: str) -> str:
    """The message of a failed update, with a remedy if one is known."""
    if isinstance(error, ApiError) and error.reason == "Conflict" and error.details.get("causes"):
        return (
            f'field manager "{manager}" is not the only one to set these fields: {error}\n'
            f'To take them over, set the annotation {ownership.PATCH_FORCE}: "true" on the object, or let the other go'
        )
    return str(error)
