"""Pretend nodes: one process with an SSH server per node, each on its own address in 127.0.0.0/8.

Each server accepts a node's input and answers with a report, SECONDS later. `python -m bench.pretend_nodes COUNT
SECONDS` prints one line of JSON with the port and the host key, and runs until its standard input ends.
"""

import asyncio
import hashlib
import json
import re
import resource
import sys
from functools import partial

import asyncssh

DIGEST = re.compile(r"^digest=(\S+)$", re.MULTILINE)
_PER_NETWORK = 250


def address(index: int) -> str:
    """The address of node `index`."""
    return f"127.77.{index // _PER_NETWORK}.{index % _PER_NETWORK + 1}"


class _Open(asyncssh.SSHServer):
    """Accepts every client without authentication, since it only answers."""

    def begin_auth(self, username: str) -> bool:
        del username
        return False


async def _answer(seconds: float, process: "asyncssh.SSHServerProcess[str]") -> None:
    text = await process.stdin.read()
    await asyncio.sleep(seconds)
    revision = hashlib.sha256(text.encode()).hexdigest()
    digest = DIGEST.search(text)
    pulled = digest[1] if digest else f"sha256:{revision}"
    report = {"changed": True, "what": ["ca"], "revision": revision, "digest": pulled}
    # What the doctor reads.
    report |= {"version": "v1.34.4+k3s1", "checks": {"pull": {"outcome": "ok", "sentence": ""}}}
    process.stdout.write(json.dumps(report) + "\n")
    process.exit(0)


async def serve(count: int, seconds: float) -> None:
    """Serve until the input ends."""
    # Every node is a listening socket, and upstream's plugin leaves every connection open.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    key = asyncssh.generate_private_key("ssh-ed25519")
    port = 0
    for index in range(count):
        server = await asyncssh.create_server(
            _Open, address(index), port, server_host_keys=[key], process_factory=partial(_answer, seconds)
        )
        port = server.get_port()
    ready = {"port": port, "hostKey": key.export_public_key().decode().strip()}
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
