"""Notices: the sentences by which an `up` announces a renewal, and the end of an authority."""

import datetime as dt

from components.certificates.plan import CertificatePlan


def renewal_notice(plan: CertificatePlan) -> str:
    """The warning of an `up` that replaces the server certificate of a running registry."""
    return (
        f"the server certificate is issued anew by this `up`, signed by authority {plan.issuer}: its issuer or its own "
        f"settings have changed, or the current one ends within certificates.renewDays ({plan.renew_days} days; "
        "`pulumi stack output serverNotAfter` shows when). The registry gets a new pod and every node pulls again; a "
        "renewal alone changes nothing that nodes trust"
    )


def end_warning(
    generation: str, end: dt.datetime, server_days: int, now: dt.datetime, *, signs: bool = True
) -> str | None:
    """The warning for an authority that ends before a server certificate issued now would; None if it does not."""
    if now + dt.timedelta(days=server_days) <= end:
        return None
    tense = "ended" if end <= now else "ends"
    if not signs:
        return (
            f"authority {generation}, which signs nothing, {tense} on {end:%Y-%m-%d}; an `up` after that creates it "
            "anew, and every node would trust the new one; drop it from certificates.authorities"
        )
    return (
        f"authority {generation} {tense} on {end:%Y-%m-%d}, and the server certificate with it, whatever its own end; "
        f"rotate the authority: add a generation to certificates.authorities (docs/operating.md, rotation)"
    )
