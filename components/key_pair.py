"""Key pairs: whether a key belongs to a certificate, and whether clients would accept a server that has both.

For what was made elsewhere: judged by OpenSSL, in this process, before anything in the cluster or on a node changes.
"""

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def belongs(key_pem: str, certificate_pem: str) -> bool:
    """Whether the key can be read without a passphrase and is the certificate's."""
    try:
        _server(certificate_pem, key_pem)
    except ssl.SSLError:
        return False
    return True


def refusal(chain_pem: str, key_pem: str, trusted_pem: str, hostname: str) -> str | None:
    """What a client that trusts `trusted_pem` says of a server with this chain and key; None where it is content.

    A real handshake (TLS 1.2 or newer), by this computer's clock.
    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(cadata=trusted_pem)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server, server_hostname=hostname)
    answering = _server(chain_pem, key_pem).wrap_bio(to_server, to_client, server_side=True)
    for side in (asking, answering, asking):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLCertVerificationError as error:
            return error.verify_message
    return None


def _server(chain_pem: str, key_pem: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with _file(chain_pem) as chain, _file(key_pem) as key:
        # The empty passphrase keeps OpenSSL from asking for one on the terminal.
        context.load_cert_chain(chain, key, password="")
    return context


@contextmanager
def _file(text: str) -> Iterator[Path]:
    """A path to read the text from, which is in memory wherever the system can do that: it may be a private key."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("pem")
        try:
            os.write(descriptor, text.encode())
            yield Path(f"/dev/fd/{descriptor}")
        finally:
            os.close(descriptor)
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "pem"
            path.write_text(text)
            yield path
