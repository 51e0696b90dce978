"""TCP ports of loopback for servers that tests start, and for servers that must not be there."""

import contextlib
import socket
from collections.abc import Iterator


def free_ports(count: int) -> list[int]:
    """Different ports that nobody listens on, for servers that cannot choose one by themselves."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """A port that refuses connections for as long as the block runs: it is taken, so that nobody comes to listen."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        yield port
