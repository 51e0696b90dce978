"""What the registry's Secrets hold: their form, and what is derived from the server's key in place of a resource."""

import base64
import hashlib
import hmac
import json


def encoded(text: str) -> str:
    """Base64, the form of a Secret's data."""
    return base64.b64encode(text.encode()).decode()


def derived(purpose: str, server_key_pem: str) -> bytes:
    """32 bytes for a purpose, the same at each `up` for the same server key, which they do not reveal."""
    return hmac.digest(server_key_pem.encode(), f"k3s-registry {purpose}".encode(), "sha256")


def revision(content: object, server_key_pem: str) -> str:
    """Changes with the content, and so rolls pods that read it at their start.

    It is no secret: nobody can try contents against it without the server's key.
    """
    return derived(json.dumps(content, sort_keys=True), server_key_pem).hex()


def http_secret(server_key_pem: str) -> str:
    """The key that signs the registry's upload tokens."""
    return hashlib.sha256(b"k3s-registry http secret\n" + server_key_pem.encode()).hexdigest()
