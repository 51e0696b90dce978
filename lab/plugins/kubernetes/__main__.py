"""Start the plugin as `python -m lab.plugins.kubernetes ENGINE_ADDRESS`; the engine does."""

import asyncio
import os
import sys
import threading
from importlib.metadata import version

import grpc.aio  # type: ignore[import-untyped]  # the stubs are a package of their own
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import provider_pb2_grpc

from lab.plugins.kubernetes.servicer import KubernetesServicer

_PARENT_POLL_SECONDS = 1.0


async def _serve(engine_address: str, cancelled: threading.Event) -> None:
    server = grpc.aio.server(options=_GRPC_CHANNEL_OPTIONS)
    servicer = KubernetesServicer(sys.argv[1:], version("pulumi_kubernetes"), engine_address, cancelled)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    # An engine that was killed sends no farewell, and an orphan would hold its terminal and files for ever.
    parent = os.getppid()
    while await server.wait_for_termination(_PARENT_POLL_SECONDS):  # True: time is up, and it still serves
        if os.getppid() != parent:
            await server.stop(grace=None)


def main() -> None:
    """Serve until the engine ends."""
    addresses = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    if not addresses:
        message = "this is a Pulumi plugin: the engine starts it, with its own address as the argument"
        raise SystemExit(message)
    cancelled = threading.Event()
    try:
        asyncio.run(_serve(addresses[0], cancelled))
    finally:
        cancelled.set()


if __name__ == "__main__":
    main()
