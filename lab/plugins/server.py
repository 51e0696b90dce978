"""Runs a stand-in plugin for the engine: the SDK's server with plain errors and a log; it ends with the engine."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any, final

import grpc  # type: ignore[import-untyped]  # the stubs are a package of their own
import grpc.aio  # type: ignore[import-untyped]  # as above
from pulumi.provider.experimental.provider import Provider
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, provider_pb2_grpc

_PARENT_POLL_SECONDS = 1.0


class PluginError(Exception):
    """A failure whose message the user sees unchanged. Any other exception is a defect and keeps its stack trace."""


def token(qualified_type: str) -> str:
    """The resource's own type, without the parents' types that a URN puts before it (`parent$parent$type`)."""
    return qualified_type.rpartition("$")[2]


class EngineLog:
    """The engine's log; each line appears at the resource it belongs to."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._stub: engine_pb2_grpc.EngineStub | None = None

    async def info(self, message: str, urn: str, *, ephemeral: bool = False) -> None:
        """Show `message`; an `ephemeral` one only in the progress column."""
        await self._log(engine_pb2.INFO, message, urn, ephemeral=ephemeral)

    async def warning(self, message: str, urn: str) -> None:
        """Show `message` as a warning, kept in the diagnostics."""
        await self._log(engine_pb2.WARNING, message, urn)

    async def error(self, message: str, urn: str) -> None:
        """Show `message` as an error. It does not fail the operation: raise `PluginError` for that."""
        await self._log(engine_pb2.ERROR, message, urn)

    async def _log(self, severity: Any, message: str, urn: str, *, ephemeral: bool = False) -> None:
        if self._stub is None:
            self._stub = engine_pb2_grpc.EngineStub(
                grpc.aio.insecure_channel(self._address, options=_GRPC_CHANNEL_OPTIONS)
            )
        request = engine_pb2.LogRequest(severity=severity, message=message, urn=urn, ephemeral=ephemeral)
        await self._stub.Log(request)


@final
class _Servicer(ProviderServicer):
    """The SDK's servicer; of a `PluginError`, only the message reaches the engine."""


def _plain_errors(name: str) -> Callable[..., Awaitable[Any]]:
    inherited = getattr(ProviderServicer, name)

    async def method(self: _Servicer, request: Any, context: Any) -> Any:
        try:
            return await inherited(self, request, context)
        except Exception as error:
            # The SDK raises a new exception whose message contains the stack trace; its context is the original one.
            original = error if isinstance(error, PluginError) else error.__context__
            if isinstance(original, PluginError):
                await context.abort(grpc.StatusCode.UNKNOWN, str(original))
            raise

    return method


for _name in (
    "CheckConfig",
    "DiffConfig",
    "Configure",
    "Check",
    "Diff",
    "Create",
    "Read",
    "Update",
    "Delete",
    "Invoke",
):
    setattr(_Servicer, _name, _plain_errors(_name))


def serve(make: Callable[[EngineLog], Provider], distribution: str) -> None:
    """Serve the provider that `make` builds with the engine's log; otherwise as `serve_servicer`."""

    def servicer(arguments: list[str], plugin_version: str, engine_address: str) -> ProviderServicer:
        return _Servicer(arguments, plugin_version, make(EngineLog(engine_address)), engine_address)

    serve_servicer(servicer, distribution)


def serve_servicer(make: Callable[[list[str], str, str], ProviderServicer], distribution: str) -> None:
    """Serve until the engine ends; prints the port as the engine expects.

    Args:
        make: called once, inside the event loop, with the command line, the version and the engine's address.
        distribution: the installed SDK distribution, such as `pulumi_tls`, whose version the plugin reports.
    """
    addresses = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    if not addresses:
        message = "this is a Pulumi plugin: the engine starts it, with its own address as the argument"
        raise SystemExit(message)
    asyncio.run(_serve(make, version(distribution), addresses[0]))


async def _serve(
    make: Callable[[list[str], str, str], ProviderServicer], plugin_version: str, engine_address: str
) -> None:
    parent = os.getppid()
    server = grpc.aio.server(options=_GRPC_CHANNEL_OPTIONS)
    servicer = make(sys.argv[1:], plugin_version, engine_address)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    # A killed engine does not stop its plugins, and an orphaned plugin would keep the terminal and files open.
    while await server.wait_for_termination(_PARENT_POLL_SECONDS):  # True: the time is up
        if os.getppid() != parent:
            await server.stop(grace=None)
