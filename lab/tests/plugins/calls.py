"""Calls one provider operation at a time, as the engine would, with plain dicts as input and output."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pulumi.provider.experimental import provider as sdk

from lab.plugins import values


@dataclass(frozen=True)
class Answer:
    """The result of an operation: the state in plain values, and its secret paths."""

    id: str
    state: dict[str, Any]
    secret: frozenset[values.Path]


def urn(kind: str) -> str:
    """A URN as the product's resources have it: each belongs to a component."""
    return f"urn:pulumi:test::project::k3s-registry:index:Nodes${kind}::thing"


async def check(
    provider: sdk.Provider, kind: str, inputs: Mapping[str, Any], secrets: Iterable[values.Path] = ()
) -> tuple[Answer, dict[str, str]]:
    """The checked inputs, and the failures by property."""
    request = sdk.CheckRequest(urn(kind), {}, values.from_plain(inputs, secrets), b"")
    response = await provider.check(request)
    checked = response.inputs or {}
    failures = {failure.property: failure.reason for failure in response.failures or []}
    return Answer("", values.to_plain(checked), values.secret_paths(checked)), failures


async def create(
    provider: sdk.Provider,
    kind: str,
    inputs: Mapping[str, Any],
    secrets: Iterable[values.Path] = (),
    *,
    preview: bool = False,
) -> Answer:
    """Check, then create."""
    checked, failures = await check(provider, kind, inputs, secrets)
    assert not failures
    properties = values.from_plain(checked.state, checked.secret)
    made = await provider.create(sdk.CreateRequest(urn(kind), properties, 0, preview))
    return Answer(made.resource_id or "", values.to_plain(made.properties), values.secret_paths(made.properties))


async def diff(
    provider: sdk.Provider, kind: str, state: Mapping[str, Any], inputs: Mapping[str, Any]
) -> sdk.DiffResponse:
    """Check `inputs`, then compare them with `state`."""
    checked, failures = await check(provider, kind, inputs)
    assert not failures
    return await provider.diff(
        sdk.DiffRequest(urn(kind), "id", values.from_plain(state), values.from_plain(checked.state), [])
    )


async def update(
    provider: sdk.Provider, kind: str, state: Mapping[str, Any], inputs: Mapping[str, Any], *, preview: bool = False
) -> Answer:
    """Check `inputs`, then update `state` to them."""
    checked, failures = await check(provider, kind, inputs)
    assert not failures
    news = values.from_plain(checked.state, checked.secret)
    done = await provider.update(sdk.UpdateRequest(urn(kind), "id", values.from_plain(state), news, 0, [], preview))
    return Answer("id", values.to_plain(done.properties), values.secret_paths(done.properties))


async def delete(provider: sdk.Provider, kind: str, state: Mapping[str, Any]) -> None:
    await provider.delete(sdk.DeleteRequest(urn(kind), "id", values.from_plain(state), 0))


async def read(provider: sdk.Provider, kind: str, state: Mapping[str, Any]) -> Answer:
    found = await provider.read(sdk.ReadRequest(urn(kind), "id", values.from_plain(state), {}))
    return Answer(found.resource_id or "", values.to_plain(found.properties), values.secret_paths(found.properties))


def created(provider: sdk.Provider, kind: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The state of a new resource."""
    return asyncio.run(create(provider, kind, inputs)).state
