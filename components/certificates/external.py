"""External authorities, which the stack has not created: whether their certificates and key can serve as an issuer.

Each check returns the reason of a refusal, or its result. The checks do not know the configuration's keys.
"""

import datetime as dt
import re
from dataclasses import dataclass
from typing import Final

import pulumi
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import SignatureAlgorithmOID

from components.certificates.bundle import split
from components.certificates.handshake import handshake_error

_BEGIN: Final = "-----BEGIN "
_LABEL: Final = re.compile(_BEGIN + "([A-Z0-9 ]+)-----")
_KEY_LABELS: Final = ("PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY")
_OTHER_LABELS: Final = (
    "CERTIFICATE",
    "CERTIFICATE REQUEST",
    "DSA PRIVATE KEY",
    "EC PARAMETERS",
    "OPENSSH PRIVATE KEY",
    "PUBLIC KEY",
)
"""Labels that a message may name; any other one could be part of a secret."""
_FORMER_ALGORITHMS: Final = (
    SignatureAlgorithmOID.RSA_WITH_MD5,
    SignatureAlgorithmOID.RSA_WITH_SHA1,
    SignatureAlgorithmOID.ECDSA_WITH_SHA1,
)
"""Accepted where an old root has signed itself: no client looks at that signature."""


@dataclass(frozen=True, kw_only=True)
class ExternalAuthority:
    """The certificates of an authority that was created elsewhere."""

    generation: str
    chain: tuple[str, ...]
    """PEM of the certificate that signs, then of the one that signed it, up to the self-signed root."""
    not_after: dt.datetime
    """When the first certificate of the chain ends."""


def judge(generation: str, bundle_pem: str) -> ExternalAuthority | str:
    """The authority in a bundle, or the first reason why it cannot be one.

    Args:
        generation: its name among the authorities.
        bundle_pem: the certificate that signs, then the one that signed it, up to the self-signed root.

    """
    if "PRIVATE KEY" in bundle_pem:
        return "found a private key in it"
    try:
        pems = split(bundle_pem)
    except ValueError:
        pems = []
    if not pems:
        return "holds no certificate in PEM that can be read"
    chain: list[x509.Certificate] = []
    for position, pem in enumerate(pems, start=1):
        certificate = _certificate(pem)
        if certificate is None:
            return f"certificate {position} cannot be read"
        chain.append(certificate)
    now = dt.datetime.now(dt.UTC)
    for position, (certificate, signer) in enumerate(zip(chain, [*chain[1:], chain[-1]], strict=True), start=1):
        reason = _unfit(certificate) or _signature_problem(certificate, signer) or _out_of_time(certificate, now)
        if reason is not None:
            return f"certificate {position} {reason}"
    not_after = min(certificate.not_valid_after_utc for certificate in chain)
    return ExternalAuthority(generation=generation, chain=tuple(pems), not_after=not_after)


def key_problem(key_pem: str, certificate_pem: str) -> str | None:
    """Why a key cannot sign for a certificate, or None; never shows the key."""
    key = _private_key(key_pem)
    if isinstance(key, str):
        return key
    found, expected = key.public_key(), x509.load_pem_x509_certificate(certificate_pem.encode()).public_key()
    if _kind(found) != _kind(expected):
        return f"found {_kind(found)}, but the certificate is for {_kind(expected)}"
    return None if found == expected else "found another key"


def refuse_unusable(chain_pem: str, key_pem: str, trusted_pem: str, hostname: str) -> None:
    """Refuse a server certificate of an external authority that no client would accept.

    Raises:
        pulumi.RunError: with OpenSSL's reason.

    """
    reason = handshake_error(chain_pem, key_pem, trusted_pem, hostname)
    if reason is not None:
        message = (
            f"caCertificate: found an authority whose signature no node would accept ({reason}); it must be valid now, "
            "be allowed to sign server certificates for these names, and lead to its root by each certificate's own "
            "key; set another one: cat signing.crt root.crt | pulumi config set caCertificate"
        )
        raise pulumi.RunError(message)


def _certificate(pem: str) -> x509.Certificate | None:
    """The certificate with every part that is used here, or None where one cannot be parsed."""
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        # Parsed on first use.
        _ = certificate.subject, certificate.issuer, certificate.public_key(), certificate.extensions
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension):
        return None
    # A signature is whole bytes. `cryptography` ignores a count of unused bits before it, other clients do not.
    whole = certificate.public_bytes(Encoding.DER).endswith(b"\0" + certificate.signature)
    return certificate if whole else None


def _unfit(certificate: x509.Certificate) -> str | None:
    """Why a certificate may not sign others."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return "may not sign others: it has no basicConstraints, which containerd requires"
    if not constraints.ca:
        return "may not sign others: its basicConstraints say CA:FALSE"
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.KeyUsage) and not extension.value.key_cert_sign:
            return "may not sign others: its keyUsage lacks keyCertSign"
    return None


def _signature_problem(certificate: x509.Certificate, signer: x509.Certificate) -> str | None:
    """Why `signer`, which is the certificate itself for the last one, cannot have signed it."""
    is_root = certificate is signer
    unsigned = "is the last one, but not signed by itself" if is_root else "is not signed by the next one"
    if certificate.issuer.public_bytes() != signer.subject.public_bytes():
        return unsigned
    try:
        certificate.verify_directly_issued_by(signer)
    except InvalidSignature:
        return f"{unsigned}: the names match, the key does not"
    except (ValueError, TypeError, UnsupportedAlgorithm):
        if not is_root or certificate.signature_algorithm_oid not in _FORMER_ALGORITHMS:
            return "is signed by an algorithm that clients do not accept"
    return None


def _out_of_time(certificate: x509.Certificate, now: dt.datetime) -> str | None:
    if certificate.not_valid_after_utc <= now:
        return f"ended on {certificate.not_valid_after_utc:%Y-%m-%d}"
    if certificate.not_valid_before_utc > now:
        return f"is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}"
    return None


def _kind(key: object) -> str:
    """The kind of a public key, in words."""
    match key:
        case rsa.RSAPublicKey():
            return "an RSA key"
        case ec.EllipticCurvePublicKey():
            return f"an EC key ({key.curve.name})"
        case _:
            return f"an {type(key).__name__.removesuffix('PublicKey')} key"


def _private_key(key_pem: str) -> PrivateKeyTypes | str:
    """The key, or why there is none that can be used."""
    known = (*_KEY_LABELS, *_OTHER_LABELS)
    labels = [label if label in known else "another PEM block" for label in _LABEL.findall(key_pem)]
    if len(labels) != 1:
        return f"found several PEM blocks ({', '.join(labels)})" if labels else "found no private key in PEM"
    if labels[0] not in _KEY_LABELS:
        return f"found {labels[0]}"
    if not key_pem.lstrip().startswith(_BEGIN):
        return f"found other text before {labels[0]}"
    try:
        return load_pem_private_key(key_pem.strip().encode(), password=None)
    except TypeError:
        return "found an encrypted private key"
    except (ValueError, UnsupportedAlgorithm):
        return "found a private key that cannot be read"
