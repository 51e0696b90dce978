"""Bundles: several certificates in one PEM string, and their fingerprints."""

import hashlib
import re
import ssl
from typing import Final

_CERTIFICATE: Final = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def split(bundle_pem: str) -> list[str]:
    """Each certificate in the strict form of PEM (RFC 7468), whatever line ends and line lengths the bundle has.

    The bytes inside stay as they are: a parser that encoded them again could change a fingerprint.

    Raises:
        ValueError: one of them is not base64.

    """
    return [ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(pem)) for pem in _CERTIFICATE.findall(bundle_pem)]


def fingerprints(bundle_pem: str) -> list[str]:
    """SHA-256 of each certificate's DER form, in lower-case hex, as `openssl x509 -fingerprint -sha256` computes it."""
    return [hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest() for pem in split(bundle_pem)]
