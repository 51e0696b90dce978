import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from lab.engine import Engine

from .certificate_stack import ADDRESS, CertificateStack, Issued

NAMES: Final = ("registry.cube.local", "registry", "registry-service.docker-registry.svc.cluster.local", ADDRESS)
SECONDS: Final = 10
Greet = Callable[..., bytes | None]


@pytest.fixture
def greet(tmp_path: Path) -> Iterator[Greet]:
    """A TLS handshake on loopback with a server that has a stack's certificate; yields what the server showed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run(served: Issued, *, trusting: Issued, name: str) -> bytes | None:
            chain, key = tmp_path / "server.pem", tmp_path / "server.key"
            chain.write_text(served.outputs["server"])
            key.write_text(served.outputs["serverKey"])
            server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            server.load_cert_chain(chain, key)
            answer = threading.Thread(target=accept, args=(listener, server))
            answer.start()
            try:
                client = ssl.create_default_context(cadata=trusting.outputs["bundle"])
                client.verify_flags |= ssl.VERIFY_X509_STRICT
                with (
                    socket.create_connection(listener.getsockname(), timeout=SECONDS) as plain,
                    client.wrap_socket(plain, server_hostname=name) as encrypted,
                ):
                    return encrypted.getpeercert(binary_form=True)
            finally:
                answer.join()

        yield run


def accept(listener: socket.socket, context: ssl.SSLContext) -> None:
    connection, _ = listener.accept()
    connection.settimeout(SECONDS)
    try:
        with context.wrap_socket(connection, server_side=True) as encrypted:
            encrypted.recv(1)
    except OSError:
        connection.close()


def issued(engine: Engine, directory: Path, name: str, *, days: float) -> Issued:
    """The certificates of a stack that was created so many days from now."""
    created = CertificateStack(engine, name, directory / name)
    created.create()
    created.up({"serverDays": 30, "renewDays": 1}, days=days)
    return created.issued()


@pytest.fixture(scope="module")
def other(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Issued:
    """Another stack of the same names."""
    return issued(engine, tmp_path_factory.mktemp("other"), "other", days=0)


@pytest.fixture(scope="module")
def expired(engine_with_clock: Engine, tmp_path_factory: pytest.TempPathFactory) -> Issued:
    return issued(engine_with_clock, tmp_path_factory.mktemp("expired"), "expired", days=-31)


@pytest.fixture(scope="module")
def early(engine_with_clock: Engine, tmp_path_factory: pytest.TempPathFactory) -> Issued:
    return issued(engine_with_clock, tmp_path_factory.mktemp("early"), "early", days=2)


@pytest.mark.parametrize("name", NAMES)
def test_each_name_and_the_address_are_accepted(default: Issued, greet: Greet, name: str) -> None:
    assert greet(default, trusting=default, name=name) == default.server.public_bytes(Encoding.DER)


@pytest.mark.parametrize("name", ["registry.cube.locals", "cube.local", "10.77.0.203"])
def test_another_name_or_address_is_refused(default: Issued, greet: Greet, name: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        greet(default, trusting=default, name=name)


def test_a_client_of_another_authority_of_the_same_name_refuses(default: Issued, other: Issued, greet: Greet) -> None:
    assert other.issuer.subject == default.issuer.subject
    with pytest.raises(ssl.SSLCertVerificationError, match=r"unable to get local issuer|self-signed|signature failure"):
        greet(default, trusting=other, name=NAMES[0])


def test_an_expired_certificate_is_refused(expired: Issued, greet: Greet) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="has expired"):
        greet(expired, trusting=expired, name=NAMES[0])


def test_a_certificate_that_is_not_yet_valid_is_refused(early: Issued, greet: Greet) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="not yet valid"):
        greet(early, trusting=early, name=NAMES[0])
