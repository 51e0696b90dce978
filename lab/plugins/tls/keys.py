"""Private keys: creation, parsing, and every encoding that upstream offers."""

import base64
import hashlib
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from lab.plugins.server import PluginError

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_CURVES: Final[dict[str, type[ec.EllipticCurve]]] = {
    "P224": ec.SECP224R1,
    "P256": ec.SECP256R1,
    "P384": ec.SECP384R1,
    "P521": ec.SECP521R1,
}
_RSA_EXPONENT: Final = 65537


def generate(algorithm: str, rsa_bits: int, ecdsa_curve: str) -> Key:
    """A new key; `algorithm` and `ecdsa_curve` were checked against upstream's names."""
    if algorithm == "RSA":
        try:
            return rsa.generate_private_key(public_exponent=_RSA_EXPONENT, key_size=rsa_bits)
        except ValueError as error:
            message = f"Unable to generate private key: RSA with {rsa_bits} bits: {error}"
            raise PluginError(message) from error
    if algorithm == "ECDSA":
        return ec.generate_private_key(_CURVES[ecdsa_curve]())
    return ed25519.Ed25519PrivateKey.generate()


def read(pem: str, summary: str) -> Key:
    """The key in `pem`: PKCS#8, PKCS#1, SEC1 or OpenSSH, not encrypted.

    Raises:
        PluginError: there is no such key; the text begins with `summary`. The PEM is never part of it.
    """
    data = pem.encode()
    if b"-----BEGIN" not in data:
        message = f"{summary}: failed to decode PEM block: decoded bytes 0, undecoded {len(data)}"
        raise PluginError(message)
    try:
        if b"OPENSSH PRIVATE KEY" in data:
            key: Any = serialization.load_ssh_private_key(data, password=None)
        else:
            key = serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        message = f"{summary}: failed to parse private key: {str(error).splitlines()[0]}"
        raise PluginError(message) from error
    if isinstance(key, Key):
        return key
    message = f"{summary}: failed to identify key algorithm: unsupported type {type(key).__name__}"
    raise PluginError(message)


def algorithm_of(key: Key) -> str:
    """`RSA`, `ECDSA` or `ED25519`."""
    if isinstance(key, rsa.RSAPrivateKey):
        return "RSA"
    return "ECDSA" if isinstance(key, ec.EllipticCurvePrivateKey) else "ED25519"


def digest_for(key: Key) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None:
    """The digest with which `key` signs certificates; None for Ed25519, which includes its own."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None
    if isinstance(key, ec.EllipticCurvePrivateKey):
        if isinstance(key.curve, ec.SECP384R1):
            return hashes.SHA384()
        if isinstance(key.curve, ec.SECP521R1):
            return hashes.SHA512()
    return hashes.SHA256()


def public_der(public: Any) -> bytes:
    """The public key as SubjectPublicKeyInfo."""
    der: bytes = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return der


def outputs(key: Key) -> dict[str, str]:
    """Every encoding of `key` by the name of upstream's output. P-224 has no OpenSSH form: those stay empty."""
    traditional = PrivateFormat.PKCS8 if algorithm_of(key) == "ED25519" else PrivateFormat.TraditionalOpenSSL
    public = key.public_key()
    openssh = private_openssh = md5 = sha256 = ""
    if not (isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP224R1)):
        private_openssh = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
        openssh = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        wire = base64.b64decode(openssh.split()[1])
        md5 = hashlib.md5(wire, usedforsecurity=False).digest().hex(":")
        sha256 = "SHA256:" + base64.b64encode(hashlib.sha256(wire).digest()).decode().rstrip("=")
        openssh += "\n"
    return {
        "privateKeyPem": key.private_bytes(Encoding.PEM, traditional, NoEncryption()).decode(),
        "privateKeyPemPkcs8": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "privateKeyOpenssh": private_openssh,
        "publicKeyPem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        "publicKeyOpenssh": openssh,
        "publicKeyFingerprintMd5": md5,
        "publicKeyFingerprintSha256": sha256,
    }
