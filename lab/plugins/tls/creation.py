"""Creates each resource from its checked inputs. It imports `cryptography`, so the provider imports it when needed."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography import x509

from lab.plugins.server import PluginError
from lab.plugins.tls import certificates, clock, keys

Inputs = Mapping[str, Any]
Made = tuple[str, dict[str, Any]]
"""A new resource's id and its computed outputs."""


def create(kind: str, inputs: Inputs) -> Made:
    """A new resource of type `kind`.

    Raises:
        PluginError: what upstream says of such inputs.
    """
    return _MAKERS[kind](inputs)


def _private_key(inputs: Inputs) -> Made:
    key = keys.generate(inputs["algorithm"], inputs["rsaBits"], inputs["ecdsaCurve"])
    return _hash_id(keys.public_der(key.public_key())), dict(keys.outputs(key))


def _cert_request(inputs: Inputs) -> Made:
    key = keys.read(inputs["privateKeyPem"], "Failed to parse private key PEM")
    try:
        text = certificates.pem(certificates.request(inputs, key))
    except (ValueError, TypeError) as error:
        message = f"Failed to create certificate request: {error}"
        raise PluginError(message) from error
    return _hash_id(text.encode()), {"certRequestPem": text, "keyAlgorithm": keys.algorithm_of(key)}


def _self_signed(inputs: Inputs) -> Made:
    key = keys.read(inputs["privateKeyPem"], "Failed to parse private key PEM")

    def issue(begin: datetime) -> x509.Certificate:
        return certificates.issue(
            inputs,
            name=certificates.subject(inputs.get("subject")),
            names=certificates.alternative_names(inputs),
            public=key.public_key(),
            signer=key,
            authority=None,
            begin=begin,
        )

    return _certificate(inputs, issue, {"keyAlgorithm": keys.algorithm_of(key)})


def _locally_signed(inputs: Inputs) -> Made:
    asked = certificates.read_request(inputs["certRequestPem"])
    authority_key = keys.read(inputs["caPrivateKeyPem"], "Failed to parse CA private key PEM")
    authority = certificates.read_authority(inputs["caCertPem"])
    if not asked.is_signature_valid:
        message = "Failed to verify certificate request signature: x509: invalid signature"
        raise PluginError(message)
    public = asked.public_key()
    if not isinstance(public, certificates.PublicKey):
        message = f"Failed to create certificate: x509: unsupported public key type {type(public).__name__}"
        raise PluginError(message)

    def issue(begin: datetime) -> x509.Certificate:
        return certificates.issue(
            inputs,
            name=asked.subject,
            names=certificates.requested_names(asked),
            public=public,
            signer=authority_key,
            authority=authority,
            begin=begin,
        )

    return _certificate(inputs, issue, {"caKeyAlgorithm": keys.algorithm_of(authority_key)})


def _certificate(inputs: Inputs, issue: Callable[[datetime], x509.Certificate], more: dict[str, Any]) -> Made:
    begin = clock.now()
    try:
        made = issue(begin)
    except (ValueError, TypeError) as error:
        message = f"Failed to create certificate: {error}"
        raise PluginError(message) from error
    return str(made.serial_number), {
        "certPem": certificates.pem(made),
        "readyForRenewal": False,
        "validityStartTime": clock.rfc3339(begin),
        "validityEndTime": clock.rfc3339(begin + timedelta(hours=inputs["validityPeriodHours"])),
        **more,
    }


def _hash_id(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


_MAKERS: Final[Mapping[str, Callable[[Inputs], Made]]] = {
    "tls:index/privateKey:PrivateKey": _private_key,
    "tls:index/certRequest:CertRequest": _cert_request,
    "tls:index/selfSignedCert:SelfSignedCert": _self_signed,
    "tls:index/locallySignedCert:LocallySignedCert": _locally_signed,
}
