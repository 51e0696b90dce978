"""Converts a kubeconfig's certificates and credentials to the form that a connection needs."""

import base64
import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.plugins.kubernetes.kubeconfig import Target
from lab.plugins.server import PluginError


class UnreachableError(PluginError):
    """The API server gave no usable answer, or cannot be contacted."""


def tls_context(target: Target) -> ssl.SSLContext:
    """TLS to the API server: its authority (the system's where none is named) and our client certificate.

    Raises:
        UnreachableError: a certificate or key that cannot be read or used.
    """
    authority = _content(target.cluster, "certificate-authority")
    try:
        context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    except ssl.SSLError as error:
        message = f"the certificate authority of context {target.context!r} cannot be used: {error.reason}"
        raise UnreachableError(message) from error
    # Go's verifier, which upstream uses, does not require RFC 5280's key identifiers in a private authority.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if target.cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate, key = _content(target.user, "client-certificate"), _content(target.user, "client-key")
    if certificate and key:
        # OpenSSL loads the pair from a file only; this file is in memory and has no name that others could open.
        descriptor = os.memfd_create("client-certificate")
        try:
            os.write(descriptor, certificate + b"\n" + key)
            context.load_cert_chain(f"/proc/self/fd/{descriptor}")
        except ssl.SSLError as error:
            message = f"the client certificate of context {target.context!r} cannot be used: {error.reason}"
            raise UnreachableError(message) from error
        finally:
            os.close(descriptor)
    return context


def authorization(user: Mapping[str, Any]) -> dict[str, str]:
    """The request headers that carry a token or a password; none for a client certificate.

    Raises:
        UnreachableError: the kubeconfig leaves it to a program to get credentials.
    """
    if "exec" in user or "auth-provider" in user:
        message = (
            "this kubeconfig gets its credentials from a program; the stand-in plugin knows client certificates, "
            "tokens and passwords only. Use the upstream plugin for such a cluster"
        )
        raise UnreachableError(message)
    token = user.get("token") or (_read(user["tokenFile"]).decode() if user.get("tokenFile") else "")
    if token:
        return {"Authorization": f"Bearer {token.strip()}"}
    if user.get("username"):
        pair = f"{user['username']}:{user.get('password', '')}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return {}


def _content(fields: Mapping[str, Any], name: str) -> bytes:
    inline = fields.get(f"{name}-data")
    if inline:
        return base64.b64decode(inline)
    return _read(fields[name]) if fields.get(name) else b""


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        message = f"{path}, named in the kubeconfig, cannot be read: {error.strerror}"
        raise UnreachableError(message) from error
