"""The provider: it decides which command runs when, and what the state stores."""

import asyncio
import secrets
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pulumi.provider.experimental import provider as sdk

from lab.plugins import values
from lab.plugins.command import local
from lab.plugins.command.connection_fields import FIELDS, with_defaults
from lab.plugins.command.output import MODES, STDERR, STDOUT
from lab.plugins.server import EngineLog, PluginError, token

REMOTE: Final = "command:remote:Command"
LOCAL: Final = "command:local:Command"

_COMMON: Final = ("create", "update", "delete", "stdin", "environment", "logging", "triggers", "addPreviousOutputInEnv")
_INPUTS: Final = {REMOTE: (*_COMMON, "connection"), LOCAL: (*_COMMON, "interpreter", "dir")}
_OUTPUTS: Final = (STDOUT, STDERR)
_ID_BYTES: Final = 4

Kind = sdk.PropertyDiffKind
_REPLACING: Final = {
    Kind.ADD: Kind.ADD_REPLACE,
    Kind.DELETE: Kind.DELETE_REPLACE,
    Kind.UPDATE: Kind.UPDATE_REPLACE,
}
Request = (
    sdk.CreateRequest | sdk.CheckRequest | sdk.DiffRequest | sdk.UpdateRequest | sdk.DeleteRequest | sdk.ReadRequest
)


class CommandProvider(sdk.Provider):
    """Serves the `command` package."""

    def __init__(self, log: EngineLog) -> None:
        self._log = log
        self._cancelled = asyncio.Event()

    async def configure(self, request: sdk.ConfigureRequest) -> sdk.ConfigureResponse:
        """Declare support for secrets; the provider has no options."""
        del request
        return sdk.ConfigureResponse(accept_secrets=True, supports_preview=True)

    async def cancel(self) -> None:
        """Stop waiting between dials. Like upstream, a running command is not interrupted."""
        self._cancelled.set()

    async def check(self, request: sdk.CheckRequest) -> sdk.CheckResponse:
        """Fill in defaults and report unknown inputs by name, without their values, which may be keys."""
        names = _inputs_of(request)
        inputs = {key: value for key, value in values.to_plain(request.new_inputs).items() if value is not None}
        inputs.setdefault("addPreviousOutputInEnv", True)
        failures = list(_failures(inputs, names))
        connection = inputs.get("connection")
        if isinstance(connection, dict):
            inputs["connection"] = with_defaults(connection)
        return sdk.CheckResponse(values.from_plain(inputs, _secret(request.new_inputs)), failures)

    async def diff(self, request: sdk.DiffRequest) -> sdk.DiffResponse:
        """Any input updates in place; `triggers` replaces, create first."""
        old, new = values.to_plain(request.old_state), values.to_plain(request.new_inputs)
        detailed: dict[str, sdk.PropertyDiff] = {}
        for name in _inputs_of(request):
            if name in request.ignore_changes:
                continue
            for path, kind in _changes((name,), old.get(name), new.get(name)):
                wanted = _REPLACING[kind] if name == "triggers" else kind
                detailed[values.render_path(path)] = sdk.PropertyDiff(wanted, input_diff=False)
        return sdk.DiffResponse(
            changes=bool(detailed),
            diffs=sorted({path.split(".")[0].split("[")[0] for path in detailed}),
            replaces=[path for path in detailed if path.split("[")[0] == "triggers"],
            detailed_diff=detailed,
        )

    async def create(self, request: sdk.CreateRequest) -> sdk.CreateResponse:
        """Run `create`, if there is one."""
        _inputs_of(request)
        inputs = values.to_plain(request.properties)
        if request.preview:
            return sdk.CreateResponse("", _state(inputs, dict.fromkeys(_OUTPUTS, values.UNKNOWN), request.properties))
        outputs = await self._run(token(request.type), inputs.get("create"), inputs, request.urn)
        identity = f"{request.name}{secrets.token_hex(_ID_BYTES)}"
        return sdk.CreateResponse(identity, _state(inputs, outputs, request.properties))

    async def update(self, request: sdk.UpdateRequest) -> sdk.UpdateResponse:
        """Run `update`, or `create` if there is none, on the new connection."""
        _inputs_of(request)
        inputs, old = values.to_plain(request.news), values.to_plain(request.olds)
        if request.preview:
            return sdk.UpdateResponse(_state(inputs, dict.fromkeys(_OUTPUTS, values.UNKNOWN), request.news))
        before = {name: old.get(name) or "" for name in _OUTPUTS}
        command = inputs["update"] if inputs.get("update") is not None else inputs.get("create")
        outputs = await self._run(token(request.type), command, {**inputs, **before}, request.urn)
        return sdk.UpdateResponse(_state(inputs, outputs, request.news))

    async def delete(self, request: sdk.DeleteRequest) -> None:
        """Run `delete`, with the state's connection and standard input."""
        _inputs_of(request)
        state = values.to_plain(request.properties)
        await self._run(token(request.type), state.get("delete"), state, request.urn)

    async def read(self, request: sdk.ReadRequest) -> sdk.ReadResponse:
        """Return the state unchanged, since upstream has no Read."""
        _inputs_of(request)
        return sdk.ReadResponse(request.resource_id, request.properties, request.inputs)

    async def _run(self, kind: str, command: str | None, state: Mapping[str, Any], urn: str) -> dict[str, str]:
        if command is None:
            return {name: state.get(name) or "" for name in _OUTPUTS}

        async def log(line: str) -> None:
            await self._log.info(line, urn)

        if kind == LOCAL:
            return await local.run(command, state, log)

        async def warn(line: str) -> None:
            await self._log.warning(line, urn)

        from lab.plugins.command import remote  # noqa: PLC0415  # asyncssh takes 0.2 s, and most runs connect nowhere

        return await remote.run(command, state, log, warn, self._pause)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._cancelled.wait()
        except TimeoutError:
            return
        message = "cancelled between two attempts to connect"
        raise PluginError(message)


def _inputs_of(request: Request) -> tuple[str, ...]:
    kind = token(request.type)
    try:
        return _INPUTS[kind]
    except KeyError as error:
        message = f"{kind} is not covered by the stand-in for the command plugin; install the upstream plugin"
        raise PluginError(message) from error


def _secret(inputs: Mapping[str, Any]) -> frozenset[values.Path]:
    return values.secret_paths(inputs) | {("connection",)}


def _state(inputs: Mapping[str, Any], outputs: Mapping[str, Any], secret_of: Mapping[str, Any]) -> dict[str, Any]:
    return values.from_plain({**inputs, **outputs}, _secret(secret_of))


def _failures(inputs: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[sdk.CheckFailure]:
    for name in inputs:
        if name not in names and not name.startswith("__"):
            yield sdk.CheckFailure(name, f"Unrecognized field '{name}', or one that the stand-in does not cover")
    mode = inputs.get("logging", MODES[0])
    if mode is not values.UNKNOWN and mode not in MODES:
        yield sdk.CheckFailure("logging", f"must be one of {', '.join(MODES)}, got '{mode}'")
    if "connection" in names:
        yield from _connection_failures("connection", inputs.get("connection"), (*FIELDS, "proxy"))


def _connection_failures(path: str, connection: Any, fields: tuple[str, ...]) -> Iterator[sdk.CheckFailure]:
    if connection is values.UNKNOWN:
        return
    if not isinstance(connection, dict) or connection.get("host") is None:
        yield sdk.CheckFailure(f"{path}.host", "Missing required property 'host'")
        return
    for name in connection:
        if name not in fields and not name.startswith("__"):
            yield sdk.CheckFailure(f"{path}.{name}", f"Unrecognized field '{name}'")
    if connection.get("proxy") is not None:
        yield from _connection_failures(f"{path}.proxy", connection["proxy"], FIELDS)


def _changes(path: values.Path, old: Any, new: Any) -> Iterator[tuple[values.Path, sdk.PropertyDiffKind]]:
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            yield from _changes((*path, key), old.get(key), new.get(key))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            pair = (values_[index] if index < len(values_) else None for values_ in (old, new))
            yield from _changes((*path, index), *pair)
    elif old is None:
        yield path, Kind.ADD
    else:
        yield path, Kind.DELETE if new is None else Kind.UPDATE
