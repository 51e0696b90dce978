"""Certificates: the authorities that nodes trust, and the registry's own certificate.

Owns every private key of the stack. Does not deliver anything: nodes get the bundle from `nodes`, the registry its key
pair from `registry`.
"""

import datetime as dt
import hashlib
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_tls as tls

from components.certificate_plan import DAYS_PER_YEAR, CertificatePlan
from components.issuance import Issuance

HOURS_PER_DAY: Final = 24
HOURS_PER_YEAR: Final = DAYS_PER_YEAR * HOURS_PER_DAY
_LONGEST_NAME: Final = 64
"""Upper bound of a common or organisation name (RFC 5280, appendix A.1: ub-common-name, ub-organization-name)."""
_CERTIFICATE: Final = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n?", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class CertificatesArgs:
    """What the certificates are for."""

    hostname: str
    dns_names: tuple[str, ...]
    """Every name the registry answers to, the host name first."""
    ip: str
    plan: CertificatePlan
    external_key_pem: pulumi.Input[str] = ""
    """Key of the authority made elsewhere; empty where there is none or where it does not sign."""


class Certificates(pulumi.ComponentResource):
    """One certificate authority per generation, and a server certificate signed by the issuer."""

    bundle_pem: pulumi.Output[str]
    """Certificates of all authorities, in the configured order: what a node trusts."""
    server_certificate_pem: pulumi.Output[str]
    """The server certificate, then what leads from it to a trusted authority, if it is not signed by that itself."""
    server_key_pem: pulumi.Output[str]
    """Secret."""
    issuer_pem: pulumi.Output[str]
    """The authority that clients of the registry trust."""
    issuer_not_after: pulumi.Output[str]
    """End of the issuer's life, RFC 3339."""
    server_not_after: pulumi.Output[str]
    """End of the server certificate's life, RFC 3339."""

    def __init__(self, name: str, args: CertificatesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("k3s-registry:index:Certificates", name, {}, opts)
        self._name = name
        self._request_name = f"{name}-server-request"
        self._plan = plan = args.plan
        self._issuance = Issuance()
        authorities = {generation: self._authority(generation, args) for generation in plan.authorities}
        issuer = authorities[plan.issuer]
        server_key = tls.PrivateKey(
            f"{name}-server-key",
            algorithm="ECDSA",
            ecdsa_curve=plan.curve.value,
            opts=pulumi.ResourceOptions(parent=self),
        )
        request = tls.CertRequest(
            self._request_name,
            private_key_pem=server_key.private_key_pem,
            subject=server_subject(args.hostname),
            dns_names=list(args.dns_names),
            ip_addresses=[args.ip],
            opts=pulumi.ResourceOptions(
                parent=self,
                # After the issuer: a request without one in the state means a stack that had another issuer before.
                depends_on=issuer.resources,
                hooks=self._issuance.watch(self._request_name),
            ),
        )
        others = {generation: one.certificate_pem for generation, one in authorities.items() if one.resources}
        checked = pulumi.Output.all(issuer.certificate_pem, request.cert_request_pem, *others.values()).apply(
            lambda pems: self._refuse_untrusted_issuer(pems[1], dict(zip(others, pems[2:], strict=True))),
            run_with_unknowns=True,
        )
        server_name = f"{name}-server"
        server = tls.LocallySignedCert(
            server_name,
            cert_request_pem=request.cert_request_pem,
            ca_private_key_pem=issuer.private_key_pem,
            ca_cert_pem=_after(checked, issuer.certificate_pem),
            allowed_uses=["digital_signature", "server_auth"],
            set_subject_key_id=True,
            validity_period_hours=plan.server_days * HOURS_PER_DAY,
            early_renewal_hours=plan.renew_days * HOURS_PER_DAY,
            opts=pulumi.ResourceOptions(parent=self, hooks=self._issuance.watch(server_name)),
        )
        server.cert_pem.apply(lambda _: self._announce(), run_with_unknowns=True)
        issuer.not_after.apply(self._warn_of_end)

        bundle = pulumi.Output.concat(*[authority.trusted_pem for authority in authorities.values()])
        self.bundle_pem = _after(checked, bundle)
        self.server_certificate_pem = pulumi.Output.concat(server.cert_pem, *issuer.intermediate_pems)
        self.server_key_pem = server_key.private_key_pem
        self.issuer_pem = issuer.trusted_pem
        self.issuer_not_after = issuer.not_after
        self.server_not_after = server.validity_end_time
        self.register_outputs(
            {
                "bundlePem": self.bundle_pem,
                "issuerNotAfter": self.issuer_not_after,
                "serverNotAfter": self.server_not_after,
            }
        )

    def _authority(self, generation: str, args: CertificatesArgs) -> "_Authority":
        external = args.plan.external
        if external is not None and external.generation == generation:
            return _Authority(
                private_key_pem=args.external_key_pem,
                certificate_pem=pulumi.Output.from_input(external.chain[0]),
                trusted_pem=pulumi.Output.from_input(external.chain[-1]),
                intermediate_pems=external.chain[:-1],
                not_after=pulumi.Output.from_input(external.not_after.isoformat().replace("+00:00", "Z")),
            )
        name = self._authority_name(generation)
        # The issuer alone: what signs nothing may go, and dropping a generation is a step of every rotation.
        protect = args.plan.protect and generation == args.plan.issuer
        key = tls.PrivateKey(
            f"{name}-key",
            algorithm="ECDSA",
            ecdsa_curve=args.plan.curve.value,  # the provider's default, P224, is understood by next to no TLS stack
            opts=pulumi.ResourceOptions(parent=self, protect=protect, ignore_changes=["ecdsaCurve"]),
        )
        certificate = tls.SelfSignedCert(
            name,
            private_key_pem=key.private_key_pem,
            subject=tls.SelfSignedCertSubjectArgs(
                common_name=f"Registry CA {generation}",
                organization=args.hostname[:_LONGEST_NAME],
            ),
            is_ca_certificate=True,
            # 1 although 0 would do: the provider cannot express 0 (it then leaves the limit out).
            max_path_length=1,
            set_subject_key_id=True,
            set_authority_key_id=True,
            allowed_uses=["cert_signing", "crl_signing"],
            validity_period_hours=args.plan.authority_years * HOURS_PER_YEAR,
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=protect,
                # A generation stays what it was made as: any change would replace it, and with it every node's trust
                # at once. For the same reason it has no early renewal. The gapless way is a new generation.
                ignore_changes=[
                    "subject",
                    "maxPathLength",
                    "setSubjectKeyId",
                    "setAuthorityKeyId",
                    "allowedUses",
                    "validityPeriodHours",
                ],
                hooks=self._issuance.watch(name),
            ),
        )
        return _Authority(
            private_key_pem=key.private_key_pem,
            certificate_pem=certificate.cert_pem,
            trusted_pem=certificate.cert_pem,
            intermediate_pems=(),
            not_after=certificate.validity_end_time,
            resources=(certificate,),
        )

    def _authority_name(self, generation: str) -> str:
        return f"{self._name}-authority-{generation}"

    def _refuse_untrusted_issuer(self, request: object, authorities: Mapping[str, object]) -> None:
        """Refuse an issuer that is made by the same `up` which already has a registry to serve.

        There is one if the server's request is not made by this `up`, or if it is (another curve, another name) and
        some other authority is not.

        Args:
            request: the server's request; what is not known is no text. With --target, a resource that is left out is
                neither made nor known.
            authorities: certificates of the generations that this stack makes, by generation.

        Raises:
            pulumi.RunError: nodes that trust the former issuer alone would meet a certificate of the new one.

        """
        issuer = self._plan.issuer
        found = {self._request_name: request}
        found |= {self._authority_name(generation): pem for generation, pem in authorities.items()}
        served_before = any(isinstance(pem, str) and not self._issuance.makes(name) for name, pem in found.items())
        if self._issuance.makes(self._authority_name(issuer)) and served_before and not self._plan.accept_gap:
            message = (
                f"certificates.issuer: found {issuer!r}, which this `up` would only make; every node must trust an "
                f"authority before it signs, or pulls fail meanwhile; keep the former issuer, add {issuer} to "
                "certificates.authorities, run `pulumi up`, and make it the issuer in the next `up`; or, where pulls "
                "fail anyway because the authority has ended, set certificates.acceptGap to true and "
                "certificates.protect to false for one `up` (docs/operating.md)"
            )
            raise pulumi.RunError(message)

    def _announce(self) -> None:
        made = self._issuance.makes
        if made(f"{self._name}-server") and not made(self._request_name):
            pulumi.log.warn(
                f"the server certificate is issued anew by this `up`, signed by authority {self._plan.issuer}: the one "
                f"in force ends within certificates.renewDays ({self._plan.renew_days} days; `pulumi stack output "
                "serverNotAfter` tells when), or its issuer or its own settings have changed. The registry gets a new "
                "pod and every node pulls again; what nodes trust does not change by it",
                resource=self,
            )

    def _warn_of_end(self, not_after: str) -> None:
        sentence = end_warning(
            self._plan.issuer,
            dt.datetime.fromisoformat(not_after),
            self._plan.server_days,
            dt.datetime.now(dt.UTC),
        )
        if sentence is not None:
            pulumi.log.warn(sentence, resource=self)


@dataclass(frozen=True, kw_only=True)
class _Authority:
    """One generation, made here or elsewhere."""

    private_key_pem: pulumi.Input[str]
    certificate_pem: pulumi.Output[str]
    """The certificate that signs."""
    trusted_pem: pulumi.Output[str]
    """The certificate that nodes trust: the same one, or the root above it."""
    intermediate_pems: tuple[str, ...]
    """What a server must send along so that clients get from its certificate to the trusted one."""
    not_after: pulumi.Output[str]
    resources: tuple[pulumi.Resource, ...] = ()


def end_warning(issuer: str, end: dt.datetime, server_days: int, now: dt.datetime) -> str | None:
    """What a user must hear when the issuer's life is shorter than that of a server certificate issued now."""
    if now + dt.timedelta(days=server_days) <= end:
        return None
    tense = "ended" if end <= now else "ends"
    return (
        f"authority {issuer} {tense} on {end:%Y-%m-%d}, and the server certificate with it, whatever its own end; "
        f"rotate the authority: add a generation to certificates.authorities (docs/operating.md, rotation)"
    )


def _after(checked: pulumi.Output[None], value: pulumi.Output[str]) -> pulumi.Output[str]:
    """`value`, once `checked` has not raised."""
    return pulumi.Output.all(value, checked).apply(lambda both: str(both[0]))


def server_subject(hostname: str) -> tls.CertRequestSubjectArgs:
    """Subject of the server certificate; clients look at the alternative names alone.

    A host name too long for a common name is left out rather than cut: half a name would name another host.
    """
    common_name = hostname if len(hostname) <= _LONGEST_NAME else None
    return tls.CertRequestSubjectArgs(common_name=common_name, organization="k3s-registry")


def fingerprints(bundle_pem: str) -> list[str]:
    """SHA-256 of each certificate's DER form, in lower-case hex, as `openssl x509 -fingerprint -sha256` computes it."""
    return [
        hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem.strip())).hexdigest() for pem in _CERTIFICATE.findall(bundle_pem)
    ]
