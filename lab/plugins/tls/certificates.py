"""Certificates and certificate requests, as upstream creates them with Go's x509."""

import hashlib
import ipaddress
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from lab.plugins.server import PluginError
from lab.plugins.tls import keys
from lab.plugins.tls.allowed_uses import EXTENDED, KEY_USAGES

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

_SUBJECT: Final = {
    "country": NameOID.COUNTRY_NAME,
    "organization": NameOID.ORGANIZATION_NAME,
    "organizationalUnit": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "locality": NameOID.LOCALITY_NAME,
    "province": NameOID.STATE_OR_PROVINCE_NAME,
    "streetAddresses": NameOID.STREET_ADDRESS,
    "postalCode": NameOID.POSTAL_CODE,
    "commonName": NameOID.COMMON_NAME,
    "serialNumber": NameOID.SERIAL_NUMBER,
    "emailAddress": NameOID.EMAIL_ADDRESS,
}
_SERIAL_BITS: Final = 128


def subject(fields: Mapping[str, Any] | None) -> x509.Name:
    """The distinguished name of an input `subject`, in the order in which Go writes it."""
    attributes = []
    for field, oid in _SUBJECT.items():
        value = (fields or {}).get(field) or []
        attributes += [x509.NameAttribute(oid, text) for text in ([value] if isinstance(value, str) else value)]
    return x509.Name(attributes)


def alternative_names(inputs: Mapping[str, Any]) -> x509.SubjectAlternativeName | None:
    """The subject alternative names of `dnsNames`, `ipAddresses` and `uris`."""
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in inputs.get("dnsNames") or []]
    for text in inputs.get("ipAddresses") or []:
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(text)))
        except ValueError as error:
            message = f'Invalid IP address: Failed to parse "{text}"'
            raise PluginError(message) from error
    names += [x509.UniformResourceIdentifier(uri) for uri in inputs.get("uris") or []]
    return x509.SubjectAlternativeName(names) if names else None


def request(inputs: Mapping[str, Any], key: keys.Key) -> x509.CertificateSigningRequest:
    """A certificate request of `key` for the subject and names in `inputs`."""
    name = subject(inputs.get("subject"))
    builder = x509.CertificateSigningRequestBuilder(name)
    names = alternative_names(inputs)
    if names is not None:
        builder = builder.add_extension(names, critical=not name.rdns)
    return builder.sign(key, keys.digest_for(key))


def read_request(pem: str) -> x509.CertificateSigningRequest:
    """The request in `pem`."""
    try:
        return x509.load_pem_x509_csr(pem.encode())
    except ValueError as error:
        message = f"Failed to parse certificate request PEM: {str(error).splitlines()[0]}"
        raise PluginError(message) from error


def read_authority(pem: str) -> x509.Certificate:
    """The first certificate in `pem`."""
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError as error:
        message = f"Failed to parse CA certificate PEM: {str(error).splitlines()[0]}"
        raise PluginError(message) from error


def requested_names(asked: x509.CertificateSigningRequest) -> x509.SubjectAlternativeName | None:
    """The names of the request that a signed certificate copies: DNS, IP and URI, in this order."""
    try:
        found = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
    kinds = (x509.DNSName, x509.IPAddress, x509.UniformResourceIdentifier)
    names: Sequence[x509.GeneralName] = [name for kind in kinds for name in found if isinstance(name, kind)]
    return x509.SubjectAlternativeName(names) if names else None


def subject_key_id(public: PublicKey) -> bytes:
    """Upstream's subject key identifier: SHA-1 over the key, for Ed25519 over the key as an ASN.1 octet string."""
    if isinstance(public, ed25519.Ed25519PublicKey):
        raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return hashlib.sha1(b"\x04" + bytes([len(raw)]) + raw, usedforsecurity=False).digest()
    return x509.SubjectKeyIdentifier.from_public_key(public).digest


def issue(
    inputs: Mapping[str, Any],
    *,
    name: x509.Name,
    names: x509.SubjectAlternativeName | None,
    public: PublicKey,
    signer: keys.Key,
    authority: x509.Certificate | None,
    begin: datetime,
) -> x509.Certificate:
    """A certificate for `public`, signed by `signer`; self-signed when there is no `authority`.

    Args:
        inputs: checked inputs of the resource.
        name: the subject.
        names: the subject alternative names.
        public: the key that is certified.
        signer: the authority's key, or the subject's own.
        authority: the authority's certificate.
        begin: NotBefore; X.509 drops fractions of a second.
    """
    is_authority = bool(inputs.get("isCaCertificate"))
    if is_authority and not name.rdns:
        message = "Invalid Certificate Subject: a certificate authority (CA) needs at least one distinguished name"
        raise PluginError(message)
    path_length = inputs.get("maxPathLength") or 0
    if path_length > 0 and not is_authority:
        message = "Failed to create certificate: x509: only CAs are allowed to specify MaxPathLen"
        raise PluginError(message)
    if authority is not None and keys.public_der(authority.public_key()) != keys.public_der(signer.public_key()):
        message = "Failed to create certificate: x509: provided PrivateKey doesn't match parent's PublicKey"
        raise PluginError(message)
    own_id = subject_key_id(public) if is_authority or inputs.get("setSubjectKeyId") else b""
    issuer = authority.subject if authority is not None else name
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(secrets.randbits(_SERIAL_BITS) or 1)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(hours=inputs["validityPeriodHours"]))
    )
    for extension, critical in _usages(inputs.get("allowedUses") or []):
        builder = builder.add_extension(extension, critical=critical)
    # Go does not distinguish a path length of 0 from an absent one, so upstream never writes one below 1.
    constraint = x509.BasicConstraints(ca=is_authority, path_length=path_length if path_length > 0 else None)
    builder = builder.add_extension(constraint, critical=True)
    if own_id:
        builder = builder.add_extension(x509.SubjectKeyIdentifier(own_id), critical=False)
    issuer_id = _authority_key_id(inputs, own_id, authority, same_name=issuer == name)
    if issuer_id:
        builder = builder.add_extension(x509.AuthorityKeyIdentifier(issuer_id, None, None), critical=False)
    if names is not None:
        builder = builder.add_extension(names, critical=not name.rdns)
    return builder.sign(signer, keys.digest_for(signer))


def _authority_key_id(
    inputs: Mapping[str, Any], own_id: bytes, authority: x509.Certificate | None, *, same_name: bool
) -> bytes:
    if authority is None:
        if inputs.get("setAuthorityKeyId") and not own_id:
            message = "Invalid Certificate Authority: Could not determine Authority Key Identifier"
            raise PluginError(message)
        return own_id if inputs.get("setAuthorityKeyId") else b""
    if same_name:
        return b""
    try:
        return authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return b""


def _usages(allowed: Sequence[str]) -> list[tuple[x509.ExtensionType, bool]]:
    extensions: list[tuple[x509.ExtensionType, bool]] = []
    if any(use in KEY_USAGES for use in allowed):
        flags = {flag: use in allowed for use, flag in KEY_USAGES.items()}
        extensions.append((x509.KeyUsage(**flags), True))
    extended = [x509.ObjectIdentifier(EXTENDED[use]) for use in allowed if use in EXTENDED]
    if extended:
        extensions.append((x509.ExtendedKeyUsage(extended), False))
    return extensions


def pem(made: x509.Certificate | x509.CertificateSigningRequest) -> str:
    """`made` as PEM text."""
    return made.public_bytes(Encoding.PEM).decode()
