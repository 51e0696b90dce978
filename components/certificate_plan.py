"""The plan of the certificates as the stack's configuration has it: generations, issuer, curve, lives, protection."""

import datetime as dt
import re
import ssl
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from components import config_rules as rules
from components.config_section import REQUIRED, Section, shown

DAYS_PER_YEAR: Final = 365
LONGEST_SERVER_DAYS: Final = 397
"""Longest life of a server certificate that clients accept (CA/Browser Forum, Baseline Requirements 6.3.2: 398 days,
less one for rounding)."""
_CERTIFICATE: Final = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_PRIVATE_KEY: Final = re.compile(r"-----BEGIN (EC |RSA )?PRIVATE KEY-----")
_SET_CERTIFICATE: Final = "`pulumi config set caCertificate < ca.crt`"
_SET_KEY: Final = "`pulumi config set --secret caPrivateKey < ca.key`"


class Curve(StrEnum):
    """The elliptic curve of a key. Every TLS stack of today knows these two."""

    P256 = "P256"
    P384 = "P384"


@dataclass(frozen=True, kw_only=True)
class ExternalAuthority:
    """An authority that was made elsewhere."""

    generation: str
    chain: tuple[str, ...]
    """PEM of the certificate that signs, then of the one that signed it, up to the self-signed root."""
    not_after: dt.datetime
    """When the first certificate of the chain ends."""


@dataclass(frozen=True, kw_only=True)
class CertificatePlan:
    """Which authorities nodes trust, which one signs, and how long things last."""

    authorities: tuple[str, ...]
    issuer: str
    curve: Curve
    """Of keys made from now on; a generation keeps the one it was made with."""
    authority_years: int
    server_days: int
    renew_days: int
    accept_gap: bool
    """Whether an `up` may make the issuer that signs in the same `up`, although pulls fail until every node trusts it."""
    protect: bool
    """Whether the issuing authority can only be deleted after this is switched off."""
    external: ExternalAuthority | None


def read(section: Section, top: Section) -> CertificatePlan:
    """The plan in the `certificates` section, and in the keys of the whole configuration that concern it."""
    authorities = section.texts("authorities", rules.generation, "[one]") or ("one",)
    years = section.integer("authorityYears", 10, 1, 30)
    longest = min(LONGEST_SERVER_DAYS, years * DAYS_PER_YEAR)
    # Half an authority's life at most, so that a short one does not ask for its successor from the first day on.
    usual = min(LONGEST_SERVER_DAYS, years * DAYS_PER_YEAR // 2)
    server_days = section.integer("serverDays", usual, 1, LONGEST_SERVER_DAYS)
    issuer = section.text(
        # With several there is no default: whoever adds one must not change the signer in the same step by the order.
        "issuer",
        authorities[0] if len(authorities) == 1 else REQUIRED,
        rules.generation,
        authorities[0],
    )
    plan = CertificatePlan(
        authorities=authorities,
        issuer=issuer,
        curve=section.choice("curve", Curve.P256),
        authority_years=years,
        server_days=server_days,
        renew_days=section.integer("renewDays", min(30, server_days // 2), 0, LONGEST_SERVER_DAYS),
        accept_gap=section.boolean("acceptGap", default=False),
        protect=section.boolean("protect", default=True),
        external=_external(section, top, authorities, issuer),
    )
    if plan.issuer and plan.issuer not in authorities:
        rule = "it must be one of certificates.authorities, or nodes would not trust the registry"
        section.refuse("issuer", f"found {shown(plan.issuer)}", rule, authorities[0])
    if longest < server_days <= LONGEST_SERVER_DAYS:
        rule = f"it must be at most {longest}: a server certificate must not outlive its authority (authorityYears)"
        section.refuse("serverDays", f"found {server_days}", rule, str(longest))
    if plan.renew_days >= server_days:
        rule = f"it must be less than serverDays ({server_days}), or every `up` would renew the certificate"
        section.refuse("renewDays", f"found {plan.renew_days}", rule, str(server_days // 2))
    section.finish()
    return plan


def _external(section: Section, top: Section, authorities: tuple[str, ...], issuer: str) -> ExternalAuthority | None:
    generation = section.text("external", "", rules.generation, "house")
    bundle = top.text("caCertificate", "", rules.anything, _SET_CERTIFICATE)
    key = top.text("caPrivateKey", "", rules.anything, _SET_KEY)
    if not generation:
        for name in ("caCertificate", "caPrivateKey"):
            if bundle if name == "caCertificate" else key:
                rule = "certificates.external must say which of the authorities it belongs to"
                top.refuse(name, "is set", rule, "certificates: {authorities: [house], external: house}")
        return None
    if generation not in authorities:
        rule = "it must be one of certificates.authorities"
        section.refuse("external", f"found {shown(generation)}", rule, authorities[0])
        return None
    if generation == issuer and not key:
        top.refuse("caPrivateKey", "is missing", f"the issuer {issuer} is certificates.external", _SET_KEY)
    if key and not _PRIVATE_KEY.match(key.strip()):
        rule = "it must be an unencrypted private key in PEM (its value is not shown)"
        top.refuse("caPrivateKey", "found something else", rule, _SET_KEY)
    return _chain(top, generation, tuple(_CERTIFICATE.findall(bundle)))


def _chain(top: Section, generation: str, pems: tuple[str, ...]) -> ExternalAuthority | None:
    certificates = [_authority(pem) for pem in pems]
    found = [certificate for certificate in certificates if certificate is not None]
    if not found or len(found) != len(certificates):
        wrong = (
            f"certificate {certificates.index(None) + 1} is not one of an authority" if certificates else "is missing"
        )
        rule = "it must hold the authority's certificate in PEM, and after it those that signed it, up to the root"
        top.refuse("caCertificate", wrong, rule, _SET_CERTIFICATE)
        return None
    for position, certificate in enumerate(found):
        signer = found[min(position + 1, len(found) - 1)]
        if certificate["issuer"] != signer["subject"]:
            rule = "each must be signed by the next one, and the last one by itself"
            top.refuse("caCertificate", f"certificate {position + 1} is not", rule, "cat signing.crt root.crt")
            return None
    ends = min(ssl.cert_time_to_seconds(str(certificate["notAfter"])) for certificate in found)
    return ExternalAuthority(
        generation=generation,
        chain=tuple(f"{pem}\n" for pem in pems),
        not_after=dt.datetime.fromtimestamp(ends, dt.UTC),
    )


def _authority(pem: str) -> dict[str, Any] | None:
    """Subject, issuer and end of a certificate; None where it is broken or may not sign others."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError):
        return None
    # OpenSSL's own judgement: only certificates that may sign others are listed.
    return next(iter(context.get_ca_certs()), None)
