"""Authorities that were created elsewhere, right ones and wrong ones."""

import datetime as dt
from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from tests.authority import Authority

NOW = dt.datetime.now(dt.UTC)


def key_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def authority(
    name: str,
    signer: Authority | None = None,
    *,
    issuer: str | None = None,
    days: float = 3650,
    since: float = -1,
    ca: bool | None = True,
    path_length: int | None = None,
    extensions: Iterable[x509.ExtensionType] | None = None,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None,
) -> Authority:
    """An authority that is valid from `since` to `days` from now, in days.

    Args:
        name: its common name.
        signer: who signs it; itself without one.
        issuer: the common name that it names as its issuer, where that is not the signer's.
        days: end of its life.
        since: begin of its life.
        ca: what its basicConstraints say; None leaves them out.
        path_length: in its basicConstraints.
        extensions: instead of the key's identifier.
        key: instead of a new one.

    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    subject = common_name(name)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(common_name(issuer) if issuer else signer.certificate.subject if signer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + dt.timedelta(days=since))
        .not_valid_after(NOW + dt.timedelta(days=days))
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)
    for extension in [identifier] if extensions is None else extensions:
        builder = builder.add_extension(extension, critical=False)
    return Authority(builder.sign(signer.key if signer else key, hashes.SHA256()), key)


def common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


ROOT = authority("house root")
BELOW = authority("house services", ROOT)
