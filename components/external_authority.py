"""An authority that was made elsewhere, as the stack's configuration has it: certificates up to the root, and a key."""

import datetime as dt
import re
import ssl
from dataclasses import dataclass
from typing import Final

from components import config_rules as rules
from components import key_pair
from components.certificate_bundle import split
from components.config_section import Section, shown

_SET_CERTIFICATE: Final = "`pulumi config set caCertificate < ca.crt`"
_SET_KEY: Final = "`openssl pkey -in ca.key | pulumi config set --secret caPrivateKey`"
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


def read(section: Section, top: Section, authorities: tuple[str, ...], issuer: str) -> ExternalAuthority | None:
    """What `certificates.external`, `caCertificate` and `caPrivateKey` say together; problems go to the sections."""
    generation = section.text("external", "", rules.generation, "house")
    bundle = top.text("caCertificate", "", rules.anything, _SET_CERTIFICATE)
    key = top.text("caPrivateKey", "", rules.anything, _SET_KEY)
    if not generation:
        for name in ("caCertificate", "caPrivateKey"):
            if bundle if name == "caCertificate" else key:
                rule = "certificates.external must say which of the authorities it belongs to, or it must go"
                top.refuse(name, "is set", rule, f"`pulumi config rm {name}`")
        return None
    if generation not in authorities:
        rule = "it must be one of certificates.authorities"
        section.refuse("external", f"found {shown(generation)}", rule, authorities[0])
        return None
    if generation == issuer and not key:
        top.refuse("caPrivateKey", "is missing", f"the issuer {issuer} is certificates.external", _SET_KEY)
    if "PRIVATE KEY" in bundle:
        rule = "it must hold certificates alone: it is stored in plain text (its value is not shown)"
        top.refuse("caCertificate", "found a private key in it", rule, _SET_CERTIFICATE)
        return None
    external = _chain(top, generation, bundle)
    if key and not _PRIVATE_KEY.match(key.strip()):
        label = _LABEL.search(key)
        rule = "it must be an unencrypted private key in PEM and nothing else (its value is not shown)"
        top.refuse("caPrivateKey", f"found {label[1] if label else 'something else'}", rule, _SET_KEY)
    elif key and external is not None and not key_pair.belongs(key, external.chain[0]):
        rule = "it must be whole, unencrypted, and that of caCertificate's first certificate (its value is not shown)"
        top.refuse("caPrivateKey", "found another key", rule, _SET_KEY)
    return external


def _chain(top: Section, generation: str, bundle: str) -> ExternalAuthority | None:
    try:
        pems = split(bundle)
    except ValueError:
        pems = []
    certificates = [_judged(pem) for pem in pems]
    now = dt.datetime.now(dt.UTC)
    wrong = "" if pems else "holds no certificate in PEM that can be read"
    for position, certificate in enumerate(certificates, start=1):
        signer = certificates[min(position, len(certificates) - 1)]
        if certificate is None:
            wrong = wrong or f"certificate {position} is not one of an authority"
        elif signer is not None and certificate.issuer != signer.subject:
            wrong = wrong or f"certificate {position} is not signed by the next one, or the last one not by itself"
        elif certificate.not_after <= now:
            wrong = wrong or f"certificate {position} ended on {certificate.not_after:%Y-%m-%d}"
        elif certificate.not_before > now:
            wrong = wrong or f"certificate {position} is not valid before {certificate.not_before:%Y-%m-%d}"
    found = [certificate for certificate in certificates if certificate is not None]
    if wrong or not found:
        rule = "it must hold the authority's certificate in PEM, and after it those that signed it, up to the root"
        top.refuse("caCertificate", wrong, rule, "cat signing.crt root.crt | pulumi config set caCertificate")
        return None
    return ExternalAuthority(
        generation=generation, chain=tuple(pems), not_after=min(certificate.not_after for certificate in found)
    )


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
