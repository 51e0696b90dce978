"""The plan of the certificates: generations, issuer, curve, lives, protection."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from components.certificates.external import ExternalAuthority

HOURS_PER_DAY: Final = 24
DAYS_PER_YEAR: Final = 365
LONGEST_SERVER_DAYS: Final = 397
"""Longest life of a server certificate that clients accept (CA/Browser Forum, Baseline Requirements 6.3.2: 398 days,
less one for rounding)."""


class Curve(StrEnum):
    """The elliptic curve of a key. Every current TLS library supports these two."""

    P256 = "P256"
    P384 = "P384"


@dataclass(frozen=True, kw_only=True)
class CertificatePlan:
    """Which authorities nodes trust, which one is the issuer, and how long certificates are valid."""

    authorities: tuple[str, ...]
    issuer: str
    curve: Curve
    """Of keys created from now on; a generation keeps the curve it was created with."""
    authority_years: int
    server_days: int
    renew_days: int
    accept_gap: bool
    """Whether an `up` may create the issuer that signs in it, although pulls fail until every node trusts that."""
    protect: bool
    """Whether the issuing authority can only be deleted after this is switched off."""
    external: ExternalAuthority | None

    @property
    def issuer_is_external(self) -> bool:
        """Whether the issuer is the authority that the stack has not created itself."""
        return self.external is not None and self.external.generation == self.issuer
