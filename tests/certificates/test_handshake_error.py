"""Handshakes by OpenSSL. Go's crypto/x509, with which nodes pull, judged the same chains once: docs/decisions.md."""

import ipaddress

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from components.certificates.handshake import handshake_error
from tests.authority import Authority

from .authorities import BELOW, ROOT, authority, key_usage

HOSTNAME = "registry.cube.local"
ADDRESS = "10.77.0.202"
SHORT_ROOT = authority("short root", path_length=0)
CLIENTS_ONLY = authority(
    "for clients", ROOT, extensions=[x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), key_usage(signs=True)]
)


def permitting(*names: str) -> Authority:
    permitted: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    permitted.append(x509.IPAddress(ipaddress.ip_network("10.77.0.0/16")))
    return authority("constrained", extensions=[x509.NameConstraints(permitted, None)])


def error_of(signer: Authority, *above: Authority, trusting: Authority, hostname: str = HOSTNAME) -> str | None:
    certificate, key = signer.server(names=(HOSTNAME,), addresses=(ADDRESS,))
    return handshake_error(certificate + "".join(one.pem for one in above), key, trusting.pem, hostname)


def test_a_server_of_the_trusted_authority_is_accepted() -> None:
    assert error_of(ROOT, trusting=ROOT) is None


def test_a_server_must_send_the_intermediate_certificates() -> None:
    """A client that trusts the root alone accepts the server only with them."""
    assert error_of(BELOW, BELOW, trusting=ROOT) is None
    assert error_of(BELOW, trusting=ROOT) == "unable to get local issuer certificate"


def test_an_authority_without_key_usage_and_identifiers_is_accepted() -> None:
    """Go accepts it too, but the verifier of `cryptography` does not."""
    bare = authority("bare root", extensions=[])
    assert error_of(bare, trusting=bare) is None


def test_an_authority_constrained_to_the_registrys_names_is_accepted() -> None:
    constrained = permitting("cube.local")
    assert error_of(constrained, trusting=constrained) is None


@pytest.mark.parametrize(
    ("signer", "above", "trusted", "reason"),
    [
        (too_deep := authority("too deep", SHORT_ROOT), [too_deep], SHORT_ROOT, "path length constraint exceeded"),
        (elsewhere := permitting("example.com"), [], elsewhere, "permitted subtree violation"),
        (CLIENTS_ONLY, [CLIENTS_ONLY], ROOT, "unsuitable certificate purpose"),
        (BELOW, [BELOW], authority("house root"), "certificate signature failure"),
        (ended := authority("ended", since=-9, days=-1), [], ended, "certificate has expired"),
    ],
    ids=["too deep", "constrained to other names", "for clients only", "the root's name by another key", "ended"],
)
def test_an_unacceptable_server_is_refused_with_openssls_reason(
    signer: Authority, above: list[Authority], trusted: Authority, reason: str
) -> None:
    assert error_of(signer, *above, trusting=trusted) == reason


def test_another_name_is_refused() -> None:
    assert "mismatch" in (error_of(ROOT, trusting=ROOT, hostname="images.cube.local") or "")
