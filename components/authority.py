"""Authorities: one generation of those that nodes trust, made by the stack or elsewhere."""

import datetime as dt
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_tls as tls

from components.certificate_bundle import fingerprints
from components.certificate_plan import DAYS_PER_YEAR, CertificatePlan
from components.external_authority import ExternalAuthority
from components.issuance import Issuance

HOURS_PER_DAY: Final = 24
_HOURS_PER_YEAR: Final = DAYS_PER_YEAR * HOURS_PER_DAY
_LONGEST_NAME: Final = 64
"""Upper bound of an organisation name (RFC 5280, appendix A.1: ub-organization-name)."""


@dataclass(frozen=True, kw_only=True)
class Authority:
    """What signs, and what nodes trust for it."""

    private_key_pem: pulumi.Input[str]
    certificate_pem: pulumi.Output[str]
    """The certificate that signs."""
    trusted_pem: pulumi.Output[str]
    """The certificate that nodes trust: the same one, or the root above it."""
    intermediate_pems: tuple[str, ...]
    """What a server must send along so that clients get from its certificate to the trusted one."""
    not_after: pulumi.Output[str]
    """End of its life, RFC 3339."""
    resource: pulumi.Resource
    """Created when the stack first has this authority."""
    resource_name: str
    known: pulumi.Output[str]
    """A text once the resource is there; with --target it never is, where the resource is left out."""


class ExternalMark(pulumi.ComponentResource):
    """Stands in the state for an authority that was made elsewhere, so that its first appearance is seen."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions) -> None:
        super().__init__("k3s-registry:index:ExternalAuthority", name, {}, opts)
        self.register_outputs({})


def make(
    parent: pulumi.Resource, name: str, generation: str, *, hostname: str, plan: CertificatePlan, issuance: Issuance
) -> Authority:
    """A generation of the stack's own."""
    # The issuer alone: what signs nothing may go, and dropping a generation is a step of every rotation.
    protect = plan.protect and generation == plan.issuer
    key = tls.PrivateKey(
        f"{name}-key",
        algorithm="ECDSA",
        ecdsa_curve=plan.curve.value,  # the provider's default, P224, is understood by next to no TLS stack
        opts=pulumi.ResourceOptions(parent=parent, protect=protect, ignore_changes=["ecdsaCurve"]),
    )
    certificate = tls.SelfSignedCert(
        name,
        private_key_pem=key.private_key_pem,
        subject=tls.SelfSignedCertSubjectArgs(
            common_name=f"Registry CA {generation}",
            organization=hostname[:_LONGEST_NAME],
        ),
        is_ca_certificate=True,
        # 1 although 0 would do: the provider cannot express 0 (it then leaves the limit out).
        max_path_length=1,
        set_subject_key_id=True,
        set_authority_key_id=True,
        allowed_uses=["cert_signing", "crl_signing"],
        validity_period_hours=plan.authority_years * _HOURS_PER_YEAR,
        opts=pulumi.ResourceOptions(
            parent=parent,
            protect=protect,
            # A generation stays what it was made as: any change would replace it, and with it every node's trust at
            # once. For the same reason it has no early renewal. The gapless way is a new generation.
            ignore_changes=[
                "subject",
                "maxPathLength",
                "setSubjectKeyId",
                "setAuthorityKeyId",
                "allowedUses",
                "validityPeriodHours",
            ],
            hooks=issuance.watch(name),
        ),
    )
    return Authority(
        private_key_pem=key.private_key_pem,
        certificate_pem=certificate.cert_pem,
        trusted_pem=certificate.cert_pem,
        intermediate_pems=(),
        not_after=certificate.validity_end_time,
        resource=certificate,
        resource_name=name,
        known=certificate.cert_pem,
    )


def bring(
    parent: pulumi.Resource,
    name: str,
    external: ExternalAuthority,
    *,
    private_key_pem: pulumi.Input[str],
    issuance: Issuance,
) -> Authority:
    """A generation that was made elsewhere; another root under the same name is another one."""
    root = external.chain[-1]
    marked = f"{name}-{fingerprints(root)[0][:8]}"
    mark = ExternalMark(marked, opts=pulumi.ResourceOptions(parent=parent, hooks=issuance.watch(marked)))
    return Authority(
        private_key_pem=private_key_pem,
        certificate_pem=pulumi.Output.from_input(external.chain[0]),
        trusted_pem=pulumi.Output.from_input(root),
        intermediate_pems=external.chain[:-1],
        not_after=pulumi.Output.from_input(external.not_after.isoformat().replace("+00:00", "Z")),
        resource=mark,
        resource_name=marked,
        known=mark.urn,
    )


def end_warning(
    generation: str, end: dt.datetime, server_days: int, now: dt.datetime, *, signs: bool = True
) -> str | None:
    """What a user must hear when an authority's life is shorter than that of a server certificate issued now."""
    if now + dt.timedelta(days=server_days) <= end:
        return None
    tense = "ended" if end <= now else "ends"
    if not signs:
        return (
            f"authority {generation}, which signs nothing, {tense} on {end:%Y-%m-%d}; at its end it would be made "
            "anew, and every node would trust that; drop it from certificates.authorities"
        )
    return (
        f"authority {generation} {tense} on {end:%Y-%m-%d}, and the server certificate with it, whatever its own end; "
        f"rotate the authority: add a generation to certificates.authorities (docs/operating.md, rotation)"
    )
