import datetime as dt
import ipaddress
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from components.certificates.certificates import server_subject

from .certificate_stack import ADDRESS, CertificateStack, Deployed, Issued, Prepared
from .files import tool, written

NAMES = [
    "registry.cube.local",
    "registry",
    "registry-service.docker-registry",
    "registry-service.docker-registry.svc",
    "registry-service.docker-registry.svc.cluster.local",
]
LINTERS = Path(sys.executable).parent
ACCEPTED = (
    # The guide's short alias. RFC 1034's syntax has names of one label; the linter's library requires a dot in each.
    'pkix.invalid_domain_name_syntax (ERROR): Invalid domain name syntax: "registry"',
)
SIGNS = {"key_cert_sign", "crl_sign"}
USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)


@pytest.fixture(scope="module", params=["default", "P384"])
def issued(request: pytest.FixtureRequest, default: Issued, p384: Issued) -> Issued:
    """The certificates with each curve."""
    return default if request.param == "default" else p384


@pytest.fixture(scope="module")
def p384(prepared: Prepared) -> Issued:
    return prepared({"curve": "P384"}).issued()


def usages(certificate: x509.Certificate) -> set[str]:
    extension = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert extension.critical
    return {name for name in USAGES if getattr(extension.value, name)}


def key_id(certificate: x509.Certificate) -> bytes:
    return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest


def findings(*command: str | Path) -> list[str]:
    """The findings of a linter at warning level and above."""
    done = tool(LINTERS / command[0], "lint", "--severity", "WARNING", *command[1:])
    assert done.stderr == "", "the linter itself must not fail"
    return [line.strip() for line in done.stdout.splitlines() if line.startswith(" ")]


def test_the_authoritys_key_usage_is_signing_alone(issued: Issued) -> None:
    assert usages(issued.issuer) == SIGNS


def test_the_authoritys_constraints_have_a_path_length(issued: Issued) -> None:
    constraints = issued.issuer.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 1)


def test_the_authoritys_subject_names_registry_and_generation(default: Issued) -> None:
    assert default.issuer.subject.rfc4514_string() == "CN=Registry CA one,O=registry.cube.local"


def test_the_curve_is_the_configured_one(default: Issued, p384: Issued) -> None:
    for issued, curve in ((default, ec.SECP256R1), (p384, ec.SECP384R1)):
        for certificate in (issued.issuer, issued.server):
            key = certificate.public_key()
            assert isinstance(key, ec.EllipticCurvePublicKey)
            assert isinstance(key.curve, curve)


def test_the_server_has_a_key_of_its_own(issued: Issued) -> None:
    assert issued.server.public_key() != issued.issuer.public_key()


def test_the_server_certificate_serves_tls_and_does_nothing_else(issued: Issued) -> None:
    extended = issued.server.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(extended) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert usages(issued.server) == {"digital_signature"}
    constraints = issued.server.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert not constraints.ca


def test_the_server_certificate_contains_every_name_and_the_address(issued: Issued) -> None:
    names = issued.server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == NAMES
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address(ADDRESS)]


def test_further_names_come_after_the_registrys_own_and_no_authority_changes(deployed: Deployed) -> None:
    stack = deployed({})
    before = stack.issued()
    stack.up({"names": ["*.cube.local", "10.77.0.203", "fd00::203"]})
    after = stack.issued()
    names = after.server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [*NAMES, "*.cube.local"]
    assert names.get_values_for_type(x509.IPAddress) == [
        ipaddress.ip_address(address) for address in (ADDRESS, "10.77.0.203", "fd00::203")
    ]
    assert after.bundle == before.bundle


def test_the_server_certificate_names_the_key_that_signed_it(issued: Issued) -> None:
    identifier = issued.server.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert identifier.key_identifier == key_id(issued.issuer)


def test_the_server_certificate_lives_no_longer_than_clients_accept(issued: Issued) -> None:
    server = issued.server
    assert server.not_valid_after_utc - server.not_valid_before_utc <= dt.timedelta(days=397)


def test_nodes_trust_the_authority_and_the_server_serves_what_it_signed(issued: Issued) -> None:
    assert issued.bundle == [issued.issuer]
    assert issued.served == [issued.server]
    issued.server.verify_directly_issued_by(issued.issuer)


def test_the_ends_that_the_stack_exports_are_those_of_the_certificates(issued: Issued) -> None:
    for output, certificate in (("caNotAfter", issued.issuer), ("serverNotAfter", issued.server)):
        exported = dt.datetime.fromisoformat(issued.outputs[output])
        assert exported.replace(microsecond=0) == certificate.not_valid_after_utc


def test_a_linter_finds_nothing_in_the_authority(issued: Issued, tmp_path: Path) -> None:
    assert findings("lint_pkix_cert", written(tmp_path, ca=issued.issuer)["ca"]) == []


def test_a_linter_finds_only_the_short_alias_in_the_server_certificate(issued: Issued, tmp_path: Path) -> None:
    assert findings("lint_pkix_cert", written(tmp_path, server=issued.server)["server"]) == list(ACCEPTED)


def test_a_linter_finds_nothing_between_the_two(issued: Issued, tmp_path: Path) -> None:
    files = written(tmp_path, ca=issued.issuer, server=issued.server)
    assert findings("lint_pkix_signer_signee_cert_chain", files["ca"], files["server"]) == []


def test_the_linter_does_find_what_is_wrong(default: Issued, tmp_path: Path) -> None:
    turned = written(tmp_path, ca=default.server, server=default.issuer)
    assert findings("lint_pkix_signer_signee_cert_chain", turned["ca"], turned["server"]) != []


def test_openssl_verifies_the_chain_strictly(issued: Issued, tmp_path: Path) -> None:
    files = written(tmp_path, ca=issued.issuer, server=issued.server)
    host = ["-purpose", "sslserver", "-verify_hostname", NAMES[0]]
    done = tool("openssl", "verify", "-x509_strict", *host, "-CAfile", files["ca"], files["server"])
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_long_host_name_is_only_among_the_alternative_names(stack: CertificateStack) -> None:
    """A common name holds 64 characters."""
    name = f"{'registry' * 5}.{'cube' * 10}.local"
    stack.up(hostname=name)
    server = stack.issued().server
    assert server.subject.get_attributes_for_oid(NameOID.COMMON_NAME) == []
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName)[0] == name


def test_a_long_host_name_is_left_out_of_the_subject() -> None:
    """Half a name would name another host."""
    assert server_subject("a" * 60 + ".local").common_name is None
    assert server_subject("r.local").common_name == "r.local"
