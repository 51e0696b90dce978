"""TCP ports on loopback for servers that tests start, and ports without a server."""

import contextlib
import socket
from collections.abc import Iterator


def free_ports(count: int) -> list[int]:
    """Different unused ports, for servers that cannot choose one themselves."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """A port that refuses connections while the block runs: it is bound, so that no other server can listen on it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        yield port
