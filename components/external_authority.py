"""An authority that was made elsewhere: its certificates up to the root, and whether they can serve as one.

Each check returns the reason, or what was asked for; who configured the authority, and how, is not known here.
"""

import datetime as dt
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from components import key_pair
from components.certificate_bundle import split

_PRIVATE_KEY: Final = re.compile(r"-----BEGIN (EC |RSA )?PRIVATE KEY-----")
_LABEL: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----")


@dataclass(frozen=True, kw_only=True)
class ExternalAuthority:
    """An authority that was made elsewhere."""

    generation: str
    chain: tuple[str, ...]
    """PEM of the certificate that signs, then of the one that signed it, up to the self-signed root."""
    not_after: dt.datetime
    """When the first certificate of the chain ends."""


@dataclass(frozen=True, kw_only=True)
class _Certificate:
    """What OpenSSL says of one that may sign others."""

    subject: object
    issuer: object
    not_before: dt.datetime
    not_after: dt.datetime


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
    certificates = [_judged(pem) for pem in pems]
    reason = next(_chain_problems(certificates, dt.datetime.now(dt.UTC)), None)
    if reason is not None:
        return reason
    ends = [certificate.not_after for certificate in certificates if certificate is not None]
    return ExternalAuthority(generation=generation, chain=tuple(pems), not_after=min(ends))


def key_problem(key_pem: str, certificate_pem: str) -> str | None:
    """Why a key cannot sign for a certificate, or None; never shows the key."""
    if not _PRIVATE_KEY.match(key_pem.strip()):
        label = _LABEL.search(key_pem)
        return f"found {label[1] if label else 'something else'}"
    return None if key_pair.belongs(key_pem, certificate_pem) else "found another key"


def _chain_problems(certificates: list[_Certificate | None], now: dt.datetime) -> Iterator[str]:
    for position, certificate in enumerate(certificates, start=1):
        # The last certificate is the root, which signs itself.
        signer = certificates[min(position, len(certificates) - 1)]
        if certificate is None:
            yield f"certificate {position} is not one of an authority"
        elif signer is not None and certificate.issuer != signer.subject:
            yield f"certificate {position} is not signed by the next one, or the last one not by itself"
        elif certificate.not_after <= now:
            yield f"certificate {position} ended on {certificate.not_after:%Y-%m-%d}"
        elif certificate.not_before > now:
            yield f"certificate {position} is not valid before {certificate.not_before:%Y-%m-%d}"


def _judged(pem: str) -> _Certificate | None:
    """None where it is broken or may not sign others."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError):
        return None
    # OpenSSL's own judgement: only certificates that may sign others are listed.
    for found in context.get_ca_certs():
        start, end = (ssl.cert_time_to_seconds(str(found[name])) for name in ("notBefore", "notAfter"))
        return _Certificate(
            subject=found["subject"],
            issuer=found["issuer"],
            not_before=dt.datetime.fromtimestamp(start, dt.UTC),
            not_after=dt.datetime.fromtimestamp(end, dt.UTC),
        )
    return None
