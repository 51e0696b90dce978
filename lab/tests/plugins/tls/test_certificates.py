import asyncio
import ipaddress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store

from lab.plugins.server import PluginError
from lab.plugins.tls.allowed_uses import EXTENDED, KEY_USAGES, NAMES
from lab.plugins.tls.provider import TlsProvider
from lab.tests.plugins.calls import check, created

KEY = "tls:index/privateKey:PrivateKey"
SELF_SIGNED = "tls:index/selfSignedCert:SelfSignedCert"
REQUEST = "tls:index/certRequest:CertRequest"
LOCALLY_SIGNED = "tls:index/locallySignedCert:LocallySignedCert"
NAME = "registry.cube.local"


def key(algorithm: str = "ECDSA") -> str:
    pem: str = created(TlsProvider(), KEY, {"algorithm": algorithm, "ecdsaCurve": "P256"})["privateKeyPem"]
    return pem


def self_signed(**inputs: Any) -> dict[str, Any]:
    defaults = {"privateKeyPem": key(), "allowedUses": [], "validityPeriodHours": 24}
    return created(TlsProvider(), SELF_SIGNED, {**defaults, **inputs})


AUTHORITY_KEY = key()
AUTHORITY = self_signed(
    privateKeyPem=AUTHORITY_KEY,
    allowedUses=["cert_signing", "crl_signing"],
    isCaCertificate=True,
    maxPathLength=1,
    subject={"commonName": "cube authority", "organization": "cube"},
)


def requested(algorithm: str = "ECDSA", **inputs: Any) -> dict[str, Any]:
    defaults = {"privateKeyPem": key(algorithm), "subject": {"commonName": NAME}, "dnsNames": [NAME]}
    return created(TlsProvider(), REQUEST, {**defaults, **inputs})


def locally_signed(**inputs: Any) -> dict[str, Any]:
    defaults = {
        "caCertPem": AUTHORITY["certPem"],
        "caPrivateKeyPem": AUTHORITY_KEY,
        "allowedUses": ["server_auth", "digital_signature"],
        "validityPeriodHours": 24,
    }
    if "certRequestPem" not in inputs:
        inputs["certRequestPem"] = requested()["certRequestPem"]
    return created(TlsProvider(), LOCALLY_SIGNED, {**defaults, **inputs})


def parsed(state: dict[str, Any]) -> x509.Certificate:
    return x509.load_pem_x509_certificate(state["certPem"].encode())


def has(certificate: x509.Certificate, kind: type[x509.ExtensionType]) -> bool:
    return any(isinstance(extension.value, kind) for extension in certificate.extensions)


@pytest.mark.parametrize("algorithm", ["RSA", "ECDSA", "ED25519"])
def test_a_signed_certificate_verifies_against_its_authority_for_its_name(algorithm: str) -> None:
    leaf = parsed(locally_signed(certRequestPem=requested(algorithm)["certRequestPem"]))
    verifier = PolicyBuilder().store(Store([parsed(AUTHORITY)])).build_server_verifier(x509.DNSName(NAME))
    if algorithm == "ED25519":  # the verifier follows the public web's rules, which leave Ed25519 out
        parsed(AUTHORITY).public_key().verify(  # type: ignore[call-arg, union-attr]
            leaf.signature,
            leaf.tbs_certificate_bytes,
            ec.ECDSA(leaf.signature_hash_algorithm),  # type: ignore[arg-type]
        )
    else:
        assert [certificate.subject for certificate in verifier.verify(leaf, [])] == [
            leaf.subject,
            parsed(AUTHORITY).subject,
        ]


def test_subject_and_names_come_from_the_request() -> None:
    asked = requested(
        subject={"commonName": NAME, "organization": "cube", "country": "DE"},
        dnsNames=[NAME, "registry"],
        ipAddresses=["10.77.0.202", "fd00::1"],
        uris=["spiffe://cube/registry"],
    )
    leaf = parsed(locally_signed(certRequestPem=asked["certRequestPem"]))
    assert [(attribute.oid, attribute.value) for attribute in leaf.subject] == [
        (NameOID.COUNTRY_NAME, "DE"),
        (NameOID.ORGANIZATION_NAME, "cube"),
        (NameOID.COMMON_NAME, NAME),
    ]
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [NAME, "registry"]
    assert names.get_values_for_type(x509.IPAddress) == [
        ipaddress.ip_address("10.77.0.202"),
        ipaddress.ip_address("fd00::1"),
    ]
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["spiffe://cube/registry"]


def test_an_authority_has_a_key_identifier_and_its_leaves_point_at_it() -> None:
    own = parsed(AUTHORITY).extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    leaf = parsed(locally_signed())
    assert leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier == own


def test_a_leaf_has_no_key_identifier_unless_asked() -> None:
    assert not has(parsed(locally_signed()), x509.SubjectKeyIdentifier)
    assert has(parsed(locally_signed(setSubjectKeyId=True)), x509.SubjectKeyIdentifier)


def test_a_self_signed_certificate_has_no_authority_identifier_unless_asked() -> None:
    assert not has(parsed(AUTHORITY), x509.AuthorityKeyIdentifier)
    asked = parsed(self_signed(isCaCertificate=True, setAuthorityKeyId=True, subject={"commonName": "x"}))
    assert has(asked, x509.AuthorityKeyIdentifier)


@pytest.mark.parametrize(("asked", "written"), [(2, 2), (1, 1), (0, None)])
def test_a_path_length_below_one_cannot_be_expressed(asked: int, written: int | None) -> None:
    made = parsed(self_signed(isCaCertificate=True, maxPathLength=asked, subject={"commonName": "x"}))
    constraints = made.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.value.ca, constraints.value.path_length, constraints.critical) == (True, written, True)


def test_a_certificate_begins_now_and_is_not_backdated() -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    made = parsed(self_signed(validityPeriodHours=5))
    assert before <= made.not_valid_before_utc <= datetime.now(UTC)
    assert made.not_valid_after_utc - made.not_valid_before_utc == timedelta(hours=5)


def test_validity_is_told_in_rfc3339() -> None:
    state = self_signed(validityPeriodHours=5)
    begin, end = (datetime.fromisoformat(state[f"validity{name}Time"]) for name in ("Start", "End"))
    assert begin.utcoffset() == timedelta(0)
    assert end - begin == timedelta(hours=5)


def test_usages_are_written_as_asked_and_nothing_more() -> None:
    made = parsed(self_signed(allowedUses=["key_encipherment", "digital_signature", "server_auth", "client_auth"]))
    usage = made.extensions.get_extension_for_class(x509.KeyUsage)
    assert (usage.value.digital_signature, usage.value.key_encipherment, usage.value.key_cert_sign) == (
        True,
        True,
        False,
    )
    assert usage.critical
    extended = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(extended) == [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]


def test_every_allowed_use_can_be_certified() -> None:
    made = parsed(self_signed(allowedUses=list(NAMES)))
    assert len(list(made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)) == len(EXTENDED)
    usage = made.extensions.get_extension_for_class(x509.KeyUsage).value
    assert all(getattr(usage, flag) for flag in KEY_USAGES.values())


def test_no_usage_means_no_usage_extension() -> None:
    made = parsed(self_signed(allowedUses=[]))
    assert not has(made, x509.KeyUsage)
    assert not has(made, x509.ExtendedKeyUsage)


@pytest.mark.parametrize("algorithm", ["RSA", "ECDSA", "ED25519"])
def test_the_algorithm_of_the_key_is_an_output(algorithm: str) -> None:
    pem = key(algorithm)
    assert self_signed(privateKeyPem=pem)["keyAlgorithm"] == algorithm
    assert requested(algorithm)["keyAlgorithm"] == algorithm
    assert locally_signed()["caKeyAlgorithm"] == "ECDSA"


def test_a_serial_number_is_not_used_twice() -> None:
    assert parsed(self_signed()).serial_number != parsed(self_signed()).serial_number


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"isCaCertificate": True}, "Invalid Certificate Subject: .*at least one distinguished name"),
        ({"privateKeyPem": "nonsense"}, "Failed to parse private key PEM: failed to decode PEM block"),
        (
            {"privateKeyPem": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"},
            "Failed to parse private key PEM: failed to parse private key",
        ),
        ({"ipAddresses": ["10.0.0.300"]}, 'Invalid IP address: Failed to parse "10.0.0.300"'),
        ({"maxPathLength": 1}, "only CAs are allowed to specify MaxPathLen"),
        ({"setAuthorityKeyId": True}, "Could not determine Authority Key Identifier"),
    ],
)
def test_a_self_signed_certificate_that_cannot_be_made_says_why(inputs: dict[str, Any], words: str) -> None:
    with pytest.raises(PluginError, match=words):
        self_signed(**inputs)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"certRequestPem": "nonsense"}, "Failed to parse certificate request PEM"),
        ({"caCertPem": "nonsense"}, "Failed to parse CA certificate PEM"),
        ({"caPrivateKeyPem": "nonsense"}, "Failed to parse CA private key PEM"),
        ({"caPrivateKeyPem": key()}, "provided PrivateKey doesn't match parent's PublicKey"),
    ],
)
def test_a_locally_signed_certificate_that_cannot_be_made_says_why(inputs: dict[str, Any], words: str) -> None:
    with pytest.raises(PluginError, match=words):
        locally_signed(**inputs)


def test_an_error_never_quotes_the_private_key() -> None:
    with pytest.raises(PluginError) as caught:
        self_signed(privateKeyPem=AUTHORITY_KEY.replace("\n", "\n!"))
    assert AUTHORITY_KEY.splitlines()[1] not in str(caught.value)


def test_an_unknown_use_is_refused_by_its_place_in_the_list() -> None:
    inputs = {"privateKeyPem": "x", "allowedUses": ["server_auth", "serving"], "validityPeriodHours": 1}
    _, failures = asyncio.run(check(TlsProvider(), SELF_SIGNED, inputs))
    assert list(failures) == ["allowedUses[1]"]
    assert 'got: "serving"' in failures["allowedUses[1]"]
