"""Authorities: one generation of those that nodes trust, created by the stack or adopted from elsewhere."""

from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_tls as tls

from components.certificates.bundle import fingerprints
from components.certificates.external import ExternalAuthority
from components.certificates.plan import DAYS_PER_YEAR, HOURS_PER_DAY, CertificatePlan
from components.certificates.rotation import RotationGuard

_MAX_ORGANIZATION: Final = 64
"""Longest organization name in a certificate (RFC 5280, appendix A.1: ub-organization-name)."""


@dataclass(frozen=True, kw_only=True)
class Authority:
    """A key that can sign server certificates, and the certificate that nodes trust for it."""

    private_key_pem: pulumi.Input[str] | None
    """None only for an external authority that is not the issuer."""
    certificate_pem: pulumi.Output[str]
    """The certificate of the signing key."""
    trusted_pem: pulumi.Output[str]
    """The certificate that nodes trust: the same one, or the root above it."""
    intermediate_pems: tuple[str, ...]
    """The certificates that a server must send so that clients can verify its own up to the trusted one."""
    not_after: pulumi.Output[str]
    """End of its life, RFC 3339."""
    resource: pulumi.Resource
    """Created when the stack first has this authority."""
    resource_name: str
    """The name of that resource, by which the guard knows it."""
    exists: pulumi.Output[str]
    """Resolves to a string once the resource exists; stays unknown where `--target` skips it."""


class ExternalAuthorityMarker(pulumi.ComponentResource):
    """Represents an external authority in the state, so that the engine reports when it is new."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions) -> None:
        super().__init__("k3s-registry:index:ExternalAuthority", name, {}, opts)
        self.register_outputs({})


def create_authority(
    parent: pulumi.Resource, name: str, generation: str, *, hostname: str, plan: CertificatePlan, guard: RotationGuard
) -> Authority:
    """A generation with a key and a self-signed certificate of the stack's own."""
    # Only the issuer is protected: the last step of every rotation drops a generation that no longer signs.
    protect = plan.protect and generation == plan.issuer
    key = tls.PrivateKey(
        f"{name}-key",
        algorithm="ECDSA",
        ecdsa_curve=plan.curve.value,  # the provider's default, P224, is supported by hardly any TLS library
        opts=pulumi.ResourceOptions(parent=parent, protect=protect, ignore_changes=["ecdsaCurve"]),
    )
    certificate = tls.SelfSignedCert(
        name,
        private_key_pem=key.private_key_pem,
        subject=tls.SelfSignedCertSubjectArgs(
            common_name=f"Registry CA {generation}",
            organization=hostname[:_MAX_ORGANIZATION],
        ),
        is_ca_certificate=True,
        # 1 although 0 would do: the provider cannot express 0 (it then omits the limit).
        max_path_length=1,
        set_subject_key_id=True,
        set_authority_key_id=True,
        allowed_uses=["cert_signing", "crl_signing"],
        validity_period_hours=plan.authority_years * DAYS_PER_YEAR * HOURS_PER_DAY,
        opts=pulumi.ResourceOptions(
            parent=parent,
            protect=protect,
            # A generation never changes: any change would replace it, and with it the trust of every node at once.
            # For the same reason it has no early renewal. A new generation is the way to replace it without a gap.
            ignore_changes=[
                "subject",
                "maxPathLength",
                "setSubjectKeyId",
                "setAuthorityKeyId",
                "allowedUses",
                "validityPeriodHours",
            ],
            hooks=guard.watch(name),
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
        exists=certificate.cert_pem,
    )


def adopt_authority(
    parent: pulumi.Resource,
    name: str,
    external: ExternalAuthority,
    *,
    private_key_pem: pulumi.Input[str] | None,
    guard: RotationGuard,
) -> Authority:
    """A generation that was created elsewhere."""
    root = external.chain[-1]
    # Another root has another marker: nodes that trust the former root do not trust this one.
    marker_name = f"{name}-{fingerprints(root)[0][:8]}"
    marker = ExternalAuthorityMarker(
        marker_name, opts=pulumi.ResourceOptions(parent=parent, hooks=guard.watch(marker_name))
    )
    return Authority(
        private_key_pem=private_key_pem,
        certificate_pem=pulumi.Output.from_input(external.chain[0]),
        trusted_pem=pulumi.Output.from_input(root),
        intermediate_pems=external.chain[:-1],
        not_after=pulumi.Output.from_input(external.not_after.isoformat().replace("+00:00", "Z")),
        resource=marker,
        resource_name=marker_name,
        exists=marker.urn,
    )
