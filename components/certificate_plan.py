"""The plan of the certificates as the stack's configuration has it: generations, issuer, curve, lives, protection."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from components import config_rules as rules
from components import external_authority
from components.config_section import REQUIRED, Section, shown
from components.external_authority import ExternalAuthority

DAYS_PER_YEAR: Final = 365
LONGEST_SERVER_DAYS: Final = 397
"""Longest life of a server certificate that clients accept (CA/Browser Forum, Baseline Requirements 6.3.2: 398 days,
less one for rounding)."""


class Curve(StrEnum):
    """The elliptic curve of a key. Every TLS stack of today knows these two."""

    P256 = "P256"
    P384 = "P384"


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
    """Whether an `up` may make the issuer that signs in it, although pulls fail until every node trusts that."""
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
        external=external_authority.read(section, top, authorities, issuer),
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
