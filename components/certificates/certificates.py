"""Certificates: the authorities that nodes trust, and the registry's own certificate.

Owns every private key of the stack. Delivers nothing: nodes get the trust bundle from `nodes`, the registry its key
pair from `registry`. This module issues; `rotation` and `external` refuse; `notices` holds the warnings.
"""

import datetime as dt
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pulumi
import pulumi_tls as tls

from components.certificates import notices
from components.certificates.authority import Authority, adopt_authority, create_authority
from components.certificates.external import refuse_unusable
from components.certificates.plan import HOURS_PER_DAY, CertificatePlan
from components.certificates.rotation import RotationGuard

_MAX_COMMON_NAME: Final = 64
"""Longest common name in a certificate (RFC 5280, appendix A.1: ub-common-name)."""


@dataclass(frozen=True, kw_only=True)
class CertificatesArgs:
    """The registry's names and address, and the plan for its certificates."""

    hostname: str
    dns_names: tuple[str, ...]
    """Every name of the registry, the host name first."""
    addresses: tuple[str, ...]
    """Every address of the registry, the one that nodes use first."""
    plan: CertificatePlan
    external_key_pem: pulumi.Input[str] | None = None
    """Key of the external authority; None where there is none or where it is not the issuer."""


class Certificates(pulumi.ComponentResource):
    """One certificate authority per generation, and a server certificate signed by the issuer."""

    bundle_pem: pulumi.Output[str]
    """The trust bundle of every node: the certificates of all authorities, in the configured order."""
    server_certificate_pem: pulumi.Output[str]
    """The server certificate, then the intermediate ones between it and the trusted authority, if there are any."""
    server_key_pem: pulumi.Output[str]
    """Key of the server certificate, in PEM; secret."""
    issuer_pem: pulumi.Output[str]
    """The authority that clients of the registry trust."""
    issuer_not_after: pulumi.Output[str]
    """End of the issuer's life, RFC 3339."""
    server_not_after: pulumi.Output[str]
    """End of the server certificate's life, RFC 3339."""
    guard: RotationGuard
    """Judges what a change of a node's trust would do in this `up`."""

    def __init__(self, name: str, args: CertificatesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("k3s-registry:index:Certificates", name, {}, opts)
        plan = args.plan
        request_name, server_name = f"{name}-server-request", f"{name}-server"
        self.guard = guard = RotationGuard(plan, server_certificate=server_name)
        authorities = {
            generation: self._authority(f"{name}-authority-{generation}", generation, args)
            for generation in plan.authorities
        }
        issuer = authorities[plan.issuer]
        server_key = tls.PrivateKey(
            f"{name}-server-key",
            algorithm="ECDSA",
            ecdsa_curve=plan.curve.value,
            opts=pulumi.ResourceOptions(parent=self),
        )
        request = tls.CertRequest(
            request_name,
            private_key_pem=server_key.private_key_pem,
            subject=server_subject(args.hostname),
            dns_names=list(dict.fromkeys(args.dns_names)),  # an alias may be the Service's own name
            ip_addresses=list(dict.fromkeys(args.addresses)),
            opts=pulumi.ResourceOptions(
                parent=self,
                # Depends on the issuer, so that a state with a request but without this issuer proves that another one
                # signed before.
                depends_on=[issuer.resource],
                hooks=guard.watch(request_name),
            ),
        )
        approved = guard.approve_issuer(
            issuer.resource_name,
            issuer.trusted_pem,
            {request_name: request.cert_request_pem} | {one.resource_name: one.exists for one in authorities.values()},
        )
        server = tls.LocallySignedCert(
            server_name,
            cert_request_pem=request.cert_request_pem,
            ca_private_key_pem=issuer.private_key_pem,
            ca_cert_pem=_after(approved, issuer.certificate_pem),
            allowed_uses=["digital_signature", "server_auth"],
            set_subject_key_id=True,
            validity_period_hours=plan.server_days * HOURS_PER_DAY,
            early_renewal_hours=plan.renew_days * HOURS_PER_DAY,
            opts=pulumi.ResourceOptions(parent=self, hooks=guard.watch(server_name)),
        )
        served = pulumi.Output.concat(server.cert_pem, *issuer.intermediate_pems)
        if plan.issuer_is_external:
            accepted = pulumi.Output.all(served, server_key.private_key_pem, issuer.trusted_pem).apply(
                lambda pems: refuse_unusable(pems[0], pems[1], pems[2], args.hostname)
            )
            served = _after(accepted, served)
        server.cert_pem.apply(lambda _: self._announce_renewal(plan, request_name, server_name), run_with_unknowns=True)
        for generation, one in authorities.items():
            one.not_after.apply(partial(self._announce_end, plan, generation))

        # Nodes must not see the bundle before the engine has reported whether this `up` creates the server certificate:
        # `guard.gap` judges every node by that. An issuer that is not approved fails the certificate, and so this too.
        bundle = pulumi.Output.concat(*[one.trusted_pem for one in authorities.values()])
        self.bundle_pem = _after(server.cert_pem, bundle)
        self.server_certificate_pem = served
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

    def _authority(self, name: str, generation: str, args: CertificatesArgs) -> Authority:
        external = args.plan.external
        if external is not None and external.generation == generation:
            return adopt_authority(self, name, external, private_key_pem=args.external_key_pem, guard=self.guard)
        return create_authority(self, name, generation, hostname=args.hostname, plan=args.plan, guard=self.guard)

    def _announce_renewal(self, plan: CertificatePlan, request_name: str, server_name: str) -> None:
        """Warn where the certificate of a registry that already exists is replaced."""
        if self.guard.will_create(server_name) and not self.guard.will_create(request_name):
            pulumi.log.warn(notices.renewal_notice(plan), resource=self)

    def _announce_end(self, plan: CertificatePlan, generation: str, not_after: str) -> None:
        end, now = dt.datetime.fromisoformat(not_after), dt.datetime.now(dt.UTC)
        warning = notices.end_warning(generation, end, plan.server_days, now, signs=generation == plan.issuer)
        if warning is not None:
            pulumi.log.warn(warning, resource=self)


def _after(earlier: pulumi.Output[Any], value: pulumi.Output[str]) -> pulumi.Output[str]:
    """`value`, but it resolves no sooner than `earlier`, and fails where that fails.

    Nothing else is taken from `earlier`: neither its value, which may be unknown, nor its secrecy.
    """
    done = pulumi.Output.unsecret(earlier.apply(lambda _: None, run_with_unknowns=True))
    return pulumi.Output.all(value, done).apply(lambda both: str(both[0]))


def server_subject(hostname: str) -> tls.CertRequestSubjectArgs:
    """Subject of the server certificate, although clients look at the alternative names alone.

    A host name too long for a common name is left out rather than cut: half a name would name another host.
    """
    common_name = hostname if len(hostname) <= _MAX_COMMON_NAME else None
    return tls.CertRequestSubjectArgs(common_name=common_name, organization="k3s-registry")
