"""The provider: it checks inputs, decides between replacement and update, and compares certificates with the clock."""

import asyncio
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from pulumi.provider.experimental import provider as sdk

from lab.plugins import values
from lab.plugins.server import PluginError, token
from lab.plugins.tls import allowed_uses, clock
from lab.plugins.tls.resources import RESOURCES, Resource

_IN_PLACE: Final = "earlyRenewalHours"
_ONE_OF: Final = {"algorithm": ("RSA", "ECDSA", "ED25519"), "ecdsaCurve": ("P224", "P256", "P384", "P521")}
_NOT_NEGATIVE: Final = ("validityPeriodHours", "earlyRenewalHours", "maxPathLength")

Kind = sdk.PropertyDiffKind
Request = sdk.CreateRequest | sdk.CheckRequest | sdk.DiffRequest | sdk.UpdateRequest | sdk.ReadRequest


class TlsProvider(sdk.Provider):
    """Serves the `tls` package."""

    async def configure(self, request: sdk.ConfigureRequest) -> sdk.ConfigureResponse:
        """Declare support for secrets; the provider has no options."""
        del request
        return sdk.ConfigureResponse(accept_secrets=True, supports_preview=True)

    async def check(self, request: sdk.CheckRequest) -> sdk.CheckResponse:
        """Fill in defaults and name every input that upstream's validation refuses."""
        resource = _resource(request)
        plain = values.to_plain(request.new_inputs)
        filled = {key: value for key, value in plain.items() if value is not None}
        filled = {**resource.defaults, **filled}
        inputs = values.from_plain(filled, values.secret_paths(request.new_inputs) | _paths(resource.secret))
        return sdk.CheckResponse(inputs=inputs, failures=list(_failures(resource, filled)))

    async def diff(self, request: sdk.DiffRequest) -> sdk.DiffResponse:
        """Replace, create first, on any change except of `earlyRenewalHours`, and when a renewal is due."""
        resource = _resource(request)
        old = values.to_plain(request.old_state)
        new = values.to_plain(request.new_inputs)
        detailed = {
            name: sdk.PropertyDiff(_kind(old.get(name), new.get(name), replace=name != _IN_PLACE), input_diff=True)
            for name in resource.inputs
            if name not in request.ignore_changes and old.get(name) != new.get(name)
        }
        if "readyForRenewal" in resource.computed and (old.get("readyForRenewal") is True or _is_due(old, new)):
            detailed["readyForRenewal"] = sdk.PropertyDiff(Kind.UPDATE_REPLACE, input_diff=False)
        return sdk.DiffResponse(
            changes=bool(detailed),
            diffs=list(detailed),
            replaces=[name for name in detailed if name != _IN_PLACE],
            detailed_diff=detailed,
        )

    async def create(self, request: sdk.CreateRequest) -> sdk.CreateResponse:
        """Create the resource; in a preview its computed outputs stay unknown."""
        resource = _resource(request)
        inputs = values.to_plain(request.properties)
        if request.preview:
            identity, computed = "", dict.fromkeys(resource.computed, values.UNKNOWN)
        else:
            # Creating an RSA key is slow enough to delay other resources; the import costs 50 ms, once.
            identity, computed = await asyncio.to_thread(_make, token(request.type), inputs)
        secret = values.secret_paths(request.properties) | _paths(resource.secret)
        return sdk.CreateResponse(identity, values.from_plain({**inputs, **computed}, secret))

    async def update(self, request: sdk.UpdateRequest) -> sdk.UpdateResponse:
        """Store the new inputs; no computed output depends on an input that can change in place."""
        resource = _resource(request)
        old = values.to_plain(request.olds)
        state = {**values.to_plain(request.news), **{name: old[name] for name in resource.computed if name in old}}
        secret = values.secret_paths(request.news) | _paths(resource.secret)
        return sdk.UpdateResponse(values.from_plain(state, secret))

    async def read(self, request: sdk.ReadRequest) -> sdk.ReadResponse:
        """Return the state for a refresh, with `readyForRenewal` set by the clock."""
        resource = _resource(request)
        if not request.properties:
            message = f"{token(request.type)} cannot be imported: it exists in the stack's state alone"
            raise PluginError(message)
        state = values.to_plain(request.properties)
        if "readyForRenewal" in resource.computed and _is_due(state, state):
            state["readyForRenewal"] = True
        secret = values.secret_paths(request.properties) | _paths(resource.secret)
        return sdk.ReadResponse(request.resource_id, values.from_plain(state, secret), request.inputs)

    async def delete(self, request: sdk.DeleteRequest) -> None:
        """Do nothing, since the resource exists only in the state."""


def _make(kind: str, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    from lab.plugins.tls import creation  # noqa: PLC0415  # cryptography: most runs make nothing

    return creation.create(kind, inputs)


def _resource(request: Request) -> Resource:
    kind = token(request.type)
    try:
        return RESOURCES[kind]
    except KeyError as error:
        message = f"{kind} is not covered by the stand-in for the tls plugin; install the upstream plugin"
        raise PluginError(message) from error


def _paths(names: frozenset[str]) -> frozenset[values.Path]:
    return frozenset((name,) for name in names)


def _kind(old: Any, new: Any, *, replace: bool) -> sdk.PropertyDiffKind:
    if old is None:
        return Kind.ADD_REPLACE if replace else Kind.ADD
    if new is None:
        return Kind.DELETE_REPLACE if replace else Kind.DELETE
    return Kind.UPDATE_REPLACE if replace else Kind.UPDATE


def _is_due(state: Mapping[str, Any], inputs: Mapping[str, Any]) -> bool:
    end, early = state.get("validityEndTime"), inputs.get("earlyRenewalHours")
    if not isinstance(end, str) or early is values.UNKNOWN:
        return False
    return clock.now() >= datetime.fromisoformat(end) - timedelta(hours=early or 0)


def _failures(resource: Resource, inputs: Mapping[str, Any]) -> Iterator[sdk.CheckFailure]:
    for name in resource.required:
        if name not in inputs:
            yield sdk.CheckFailure(name, f'Missing required argument "{name}"')
    for name, value in inputs.items():
        if name not in resource.inputs and not name.startswith("__"):
            yield sdk.CheckFailure(name, f'Invalid or unknown key "{name}", or one that the stand-in does not cover')
        elif not values.has_unknown(value):
            yield from _refused(name, value)


def _refused(name: str, value: Any) -> Iterator[sdk.CheckFailure]:
    if name in _ONE_OF and value not in _ONE_OF[name]:
        yield sdk.CheckFailure(name, _value_text(name, _ONE_OF[name], value))
    if name in _NOT_NEGATIVE and not (isinstance(value, int) and value >= 0):
        yield sdk.CheckFailure(name, f"Attribute {name} value must be at least 0, got: {value}")
    if name == "allowedUses":
        for index, use in enumerate(value):
            if use not in allowed_uses.NAMES:
                element = f"allowedUses[{index}]"
                yield sdk.CheckFailure(element, _value_text(element, allowed_uses.NAMES, use))


def _value_text(name: str, allowed: tuple[str, ...], value: Any) -> str:
    listed = " ".join(f'"{item}"' for item in allowed)
    return f'Invalid Attribute Value Match. Attribute {name} value must be one of: [{listed}], got: "{value}"'
