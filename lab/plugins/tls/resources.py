"""The inputs and outputs of each resource type. It has no heavy imports, since every run needs it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_CERTIFICATE_DEFAULTS: Final = {"earlyRenewalHours": 0, "isCaCertificate": False, "setSubjectKeyId": False}
_CERTIFICATE_OUTPUTS: Final = ("certPem", "readyForRenewal", "validityStartTime", "validityEndTime")


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource type."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    computed: tuple[str, ...]
    secret: frozenset[str]
    """Inputs and outputs that are secret even if the program does not mark them."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """All input names."""
        return (*self.required, *self.optional, *self.defaults)


RESOURCES: Final[Mapping[str, Resource]] = {
    "tls:index/privateKey:PrivateKey": Resource(
        required=("algorithm",),
        defaults={"rsaBits": 2048, "ecdsaCurve": "P224"},
        computed=(
            "privateKeyOpenssh",
            "privateKeyPem",
            "privateKeyPemPkcs8",
            "publicKeyFingerprintMd5",
            "publicKeyFingerprintSha256",
            "publicKeyOpenssh",
            "publicKeyPem",
        ),
        secret=frozenset({"privateKeyOpenssh", "privateKeyPem", "privateKeyPemPkcs8"}),
    ),
    "tls:index/certRequest:CertRequest": Resource(
        required=("privateKeyPem",),
        optional=("subject", "dnsNames", "ipAddresses", "uris"),
        computed=("certRequestPem", "keyAlgorithm"),
        secret=frozenset({"privateKeyPem"}),
    ),
    "tls:index/selfSignedCert:SelfSignedCert": Resource(
        required=("privateKeyPem", "allowedUses", "validityPeriodHours"),
        optional=("subject", "dnsNames", "ipAddresses", "uris", "maxPathLength"),
        defaults={**_CERTIFICATE_DEFAULTS, "setAuthorityKeyId": False},
        computed=(*_CERTIFICATE_OUTPUTS, "keyAlgorithm"),
        secret=frozenset({"privateKeyPem"}),
    ),
    "tls:index/locallySignedCert:LocallySignedCert": Resource(
        required=("caCertPem", "caPrivateKeyPem", "certRequestPem", "allowedUses", "validityPeriodHours"),
        optional=("maxPathLength",),
        defaults=_CERTIFICATE_DEFAULTS,
        computed=(*_CERTIFICATE_OUTPUTS, "caKeyAlgorithm"),
        secret=frozenset({"caPrivateKeyPem"}),
    ),
}
