"""Certificates: the authorities that nodes trust, and the registry's own certificate.

Owns every private key of the stack. Does not deliver anything: nodes get the bundle from `nodes`, the registry its key
pair from `registry`.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import pulumi
import pulumi_tls as tls

from components import authority, handshake
from components.authority import HOURS_PER_DAY, Authority
from components.certificate_bundle import fingerprints
from components.certificate_plan import CertificatePlan
from components.issuance import Issuance

_LONGEST_NAME: Final = 64
"""Upper bound of a common name (RFC 5280, appendix A.1: ub-common-name)."""


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
        self._plan = plan = args.plan
        self._hostname = args.hostname
        self._request_name, self._server_name = f"{name}-server-request", f"{name}-server"
        self._issuance = Issuance()
        self._issuer_fingerprints: set[str] = set()
        authorities = {
            generation: self._authority(f"{name}-authority-{generation}", generation, args)
            for generation in plan.authorities
        }
        self._issuer = issuer = authorities[plan.issuer]
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
            dns_names=list(dict.fromkeys(args.dns_names)),  # an alias may be the Service's own name
            ip_addresses=[args.ip],
            opts=pulumi.ResourceOptions(
                parent=self,
                # After the issuer: a request without one in the state means a stack that had another issuer before.
                depends_on=[issuer.resource],
                hooks=self._issuance.watch(self._request_name),
            ),
        )
        watched = {self._request_name: request.cert_request_pem}
        watched |= {one.resource_name: one.known for one in authorities.values()}
        trusted = pulumi.Output.all(*watched.values()).apply(
            lambda found: self._refuse_untrusted_issuer(dict(zip(watched, found, strict=True))), run_with_unknowns=True
        )
        server = tls.LocallySignedCert(
            self._server_name,
            cert_request_pem=request.cert_request_pem,
            ca_private_key_pem=issuer.private_key_pem,
            ca_cert_pem=_after(trusted, issuer.certificate_pem),
            allowed_uses=["digital_signature", "server_auth"],
            set_subject_key_id=True,
            validity_period_hours=plan.server_days * HOURS_PER_DAY,
            early_renewal_hours=plan.renew_days * HOURS_PER_DAY,
            opts=pulumi.ResourceOptions(parent=self, hooks=self._issuance.watch(self._server_name)),
        )
        server.cert_pem.apply(lambda _: self._announce(), run_with_unknowns=True)
        for generation, one in authorities.items():
            one.not_after.apply(partial(self._warn_of_end, generation))
        chain = pulumi.Output.concat(server.cert_pem, *issuer.intermediate_pems)
        usable = pulumi.Output.unsecret(
            pulumi.Output.all(chain, server_key.private_key_pem, issuer.trusted_pem).apply(self._refuse_unusable)
        )

        bundle = pulumi.Output.concat(*[one.trusted_pem for one in authorities.values()])
        # After the server's certificate: what a node may be told depends on whether this `up` changes that (`gap`).
        signed = server.cert_pem.apply(lambda _: None, run_with_unknowns=True)
        self.bundle_pem = _after(signed, _after(trusted, bundle))
        issuer.trusted_pem.apply(lambda pem: self._issuer_fingerprints.update(fingerprints(pem)))
        self.server_certificate_pem = _after(usable, chain)
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

    def gap(self, before: Collection[str], after: Collection[str]) -> str | None:
        """Why pulls would fail on a node while its trust changes like that in this `up`; None where they go on.

        While the registry's certificate changes, some pods still serve the former one: a node must trust both.

        Args:
            before: fingerprints of the authorities that the node was told last.
            after: those that it is to be told; empty where they are not known yet.

        """
        if self._plan.accept_gap or not self._issuance.makes(self._server_name):
            return None
        way_on = "; or, where it cannot pull now anyway, set certificates.acceptGap to true for this `up`"
        if not self._issuer_fingerprints & set(before):
            return (
                f"does not trust authority {self._plan.issuer} yet, by which this `up` has the registry's certificate "
                "signed; every node must trust an authority before it signs, or pulls fail meanwhile; keep the former "
                f"certificates.issuer with {self._plan.issuer} in certificates.authorities for one `up` first{way_on}"
            )
        if after and not set(before) <= set(after):
            return (
                "would forget an authority in the same `up` that changes the registry's certificate; pods serve the "
                "former one meanwhile; keep all of certificates.authorities for this `up` and drop the old one in the "
                f"next{way_on}"
            )
        return None

    def _authority(self, name: str, generation: str, args: CertificatesArgs) -> Authority:
        external = args.plan.external
        if external is not None and external.generation == generation:
            return authority.bring(self, name, external, private_key_pem=args.external_key_pem, issuance=self._issuance)
        return authority.make(self, name, generation, hostname=args.hostname, plan=args.plan, issuance=self._issuance)

    def _refuse_untrusted_issuer(self, found: Mapping[str, object]) -> None:
        """Refuse an issuer that is made by the same `up` which already has a registry to serve.

        There is one if the server's request is not made by this `up`, or if it is (another curve, another name) and
        some other authority is not.

        Args:
            found: a text of the request and of each authority, by resource name; what is not known is no text. With
                --target, a resource that is left out is neither made nor known.

        Raises:
            pulumi.RunError: nodes that trust the former issuer alone would meet a certificate of the new one.

        """
        issuer = self._plan.issuer
        served = any(isinstance(text, str) and not self._issuance.makes(name) for name, text in found.items())
        if self._issuance.makes(self._issuer.resource_name) and served and not self._plan.accept_gap:
            message = (
                f"certificates.issuer: found {issuer!r}, which this `up` would only make; every node must trust an "
                f"authority before it signs, or pulls fail meanwhile; keep the former issuer, add {issuer} to "
                "certificates.authorities, run `pulumi up`, and make it the issuer in the next `up`; or, where pulls "
                "fail anyway because the authority has ended, set certificates.acceptGap to true and "
                "certificates.protect to false for one `up` (docs/operating.md)"
            )
            raise pulumi.RunError(message)

    def _refuse_unusable(self, pems: Sequence[str]) -> None:
        """Refuse what no node would accept, where the authority was made elsewhere: nobody has checked that one.

        Args:
            pems: what the registry serves, its key, and what nodes trust.

        Raises:
            pulumi.RunError: with OpenSSL's reason.

        """
        external = self._plan.external
        if external is None or external.generation != self._plan.issuer:
            return
        chain, key, trusted = pems
        reason = handshake.handshake_error(chain, key, trusted, self._hostname)
        if reason is not None:
            message = (
                f"caCertificate: found an authority whose signature no node would accept ({reason}); it must be valid "
                "now, be allowed to sign server certificates, and lead to its root by each certificate's own key; "
                "bring another one: cat signing.crt root.crt | pulumi config set caCertificate"
            )
            raise pulumi.RunError(message)

    def _announce(self) -> None:
        if self._issuance.makes(self._server_name) and not self._issuance.makes(self._request_name):
            pulumi.log.warn(
                f"the server certificate is issued anew by this `up`, signed by authority {self._plan.issuer}: its "
                f"issuer or its own settings have changed, or the one in force ends within certificates.renewDays "
                f"({self._plan.renew_days} days; `pulumi stack output serverNotAfter` tells when). The registry gets a "
                "new pod and every node pulls again; a renewal alone changes nothing that nodes trust",
                resource=self,
            )

    def _warn_of_end(self, generation: str, not_after: str) -> None:
        sentence = authority.end_warning(
            generation,
            dt.datetime.fromisoformat(not_after),
            self._plan.server_days,
            dt.datetime.now(dt.UTC),
            signs=generation == self._plan.issuer,
        )
        if sentence is not None:
            pulumi.log.warn(sentence, resource=self)


def _after(checked: pulumi.Output[None], value: pulumi.Output[str]) -> pulumi.Output[str]:
    """`value`, once `checked` has not raised."""
    return pulumi.Output.all(value, checked).apply(lambda both: str(both[0]))


def server_subject(hostname: str) -> tls.CertRequestSubjectArgs:
    """Subject of the server certificate; clients look at the alternative names alone.

    A host name too long for a common name is left out rather than cut: half a name would name another host.
    """
    common_name = hostname if len(hostname) <= _LONGEST_NAME else None
    return tls.CertRequestSubjectArgs(common_name=common_name, organization="k3s-registry")
