"""Handshake: whether a client would accept the registry's certificate, before the registry serves it.

OpenSSL decides, in this process: it agrees with the nodes' containerd and curl where stricter or looser verifiers do
not (docs/decisions.md).
"""

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def handshake_error(chain_pem: str, key_pem: str, trusted_pem: str, hostname: str) -> str | None:
    """The error that a client would report for a server with this chain and key; None if the handshake succeeds.

    The handshake is a real one (TLS 1.2 or newer), by the clock of this computer.

    Args:
        chain_pem: the server's certificate, then the intermediate ones.
        key_pem: the server's private key.
        trusted_pem: the only certificate that the client trusts.
        hostname: the name by which the client reaches the server.

    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(cadata=trusted_pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with _file(chain_pem) as chain, _file(key_pem) as key:
        server.load_cert_chain(chain, key)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client_side = client.wrap_bio(to_client, to_server, server_hostname=hostname)
    server_side = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (client_side, server_side, client_side):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLCertVerificationError as error:
            return error.verify_message
    return None


@contextmanager
def _file(text: str) -> Iterator[Path]:
    """A path from which OpenSSL reads the text: in memory wherever the system allows it, since it may be a key."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("pem")
        try:
            os.write(descriptor, text.encode())
            yield Path(f"/dev/fd/{descriptor}")
        finally:
            os.close(descriptor)
    else:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "pem"
            path.write_text(text)
            yield path
