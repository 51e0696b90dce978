"""Certificates: the authorities that nodes trust, and the registry's own certificate.

Owns every private key of the stack. Does not deliver anything: nodes get the bundle from `nodes`, the registry its key
pair from `registry`.
"""

import hashlib
import re
import ssl
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_tls as tls

from components.config import CertificatePlan

HOURS_PER_DAY: Final = 24
HOURS_PER_YEAR: Final = 365 * HOURS_PER_DAY
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


class Certificates(pulumi.ComponentResource):
    """One certificate authority per generation, and a server certificate signed by the issuer."""

    bundle_pem: pulumi.Output[str]
    """Certificates of all authorities, in the configured order: what a node trusts."""
    server_certificate_pem: pulumi.Output[str]
    server_key_pem: pulumi.Output[str]
    """Secret."""
    issuer_pem: pulumi.Output[str]
    issuer_not_after: pulumi.Output[str]
    """End of the issuer's life, RFC 3339."""
    server_not_after: pulumi.Output[str]
    """End of the server certificate's life, RFC 3339."""

    def __init__(self, name: str, args: CertificatesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("k3s-registry:index:Certificates", name, {}, opts)
        plan = args.plan
        authorities = {
            generation: self._authority(f"{name}-authority-{generation}", generation, args)
            for generation in plan.authorities
        }
        issuer_key, issuer = authorities[plan.issuer]
        server_key = tls.PrivateKey(
            f"{name}-server-key",
            algorithm="ECDSA",
            ecdsa_curve="P256",
            opts=pulumi.ResourceOptions(parent=self),
        )
        request = tls.CertRequest(
            f"{name}-server-request",
            private_key_pem=server_key.private_key_pem,
            subject=server_subject(args.hostname),
            dns_names=list(args.dns_names),
            ip_addresses=[args.ip],
            opts=pulumi.ResourceOptions(parent=self),
        )
        server = tls.LocallySignedCert(
            f"{name}-server",
            cert_request_pem=request.cert_request_pem,
            ca_private_key_pem=issuer_key.private_key_pem,
            ca_cert_pem=issuer.cert_pem,
            allowed_uses=["digital_signature", "server_auth"],
            validity_period_hours=plan.server_days * HOURS_PER_DAY,
            early_renewal_hours=plan.renew_days * HOURS_PER_DAY,
            opts=pulumi.ResourceOptions(parent=self),
        )

        self.bundle_pem = pulumi.Output.concat(*[authority.cert_pem for _, authority in authorities.values()])
        self.server_certificate_pem = server.cert_pem
        self.server_key_pem = server_key.private_key_pem
        self.issuer_pem = issuer.cert_pem
        self.issuer_not_after = issuer.validity_end_time
        self.server_not_after = server.validity_end_time
        self.register_outputs(
            {
                "bundlePem": self.bundle_pem,
                "issuerNotAfter": self.issuer_not_after,
                "serverNotAfter": self.server_not_after,
            }
        )

    def _authority(
        self, name: str, generation: str, args: CertificatesArgs
    ) -> tuple[tls.PrivateKey, tls.SelfSignedCert]:
        key = tls.PrivateKey(
            f"{name}-key",
            algorithm="ECDSA",
            ecdsa_curve="P256",  # the provider's default, P224, is understood by next to no TLS stack
            opts=pulumi.ResourceOptions(parent=self),
        )
        certificate = tls.SelfSignedCert(
            name,
            private_key_pem=key.private_key_pem,
            subject=tls.SelfSignedCertSubjectArgs(
                common_name=f"Registry CA {generation}"[:_LONGEST_NAME],
                organization=args.hostname[:_LONGEST_NAME],
            ),
            is_ca_certificate=True,
            # 1 although 0 would do: the provider cannot express 0 (it then leaves the limit out).
            max_path_length=1,
            set_subject_key_id=True,
            allowed_uses=["cert_signing", "crl_signing"],
            # No early renewal: it would replace the authority on some morning's `up`, and with it every node's trust at
            # once. A new generation in `certificates.authorities` is the gapless way.
            validity_period_hours=args.plan.authority_years * HOURS_PER_YEAR,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return key, certificate


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
