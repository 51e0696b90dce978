"""The plan of the certificates: generations, issuer, curve, lives, protection."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

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
