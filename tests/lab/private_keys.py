"""Strings that reveal a private key of the stack wherever it may have been copied."""

import base64
import re

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

SCALAR_BYTES = 32
SECRET_PART_BYTES = 8
PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\n.*?\n-----END [A-Z ]*PRIVATE KEY-----\n", re.DOTALL)


def needles_by_key(state: str) -> dict[int, set[bytes]]:
    """What tells each private key in an exported state: lines of each PEM form, and each form in base64.

    Base64 is how a Kubernetes Secret carries it. The keys are named by their secret number.
    """
    # The state quotes strings that are already quoted, so a line break may be written with one or two backslashes.
    text = state.replace("\\\\n", "\n").replace("\\n", "\n")
    found: dict[int, set[bytes]] = {}
    for pem in set(PEM.findall(text)):
        load = load_ssh_private_key if "OPENSSH" in pem else load_pem_private_key
        key = load(pem.encode(), password=None)
        assert isinstance(key, EllipticCurvePrivateKey)
        number = key.private_numbers().private_value
        lines = _telling_lines(pem, number.to_bytes(SCALAR_BYTES, "big"))
        assert lines, "each form is told by a line"
        found.setdefault(number, set()).update(lines, {base64.b64encode(pem.encode())[:100]})
    return found


def _telling_lines(pem: str, secret: bytes) -> set[bytes]:
    """The lines with a large part of the secret number; other lines may contain the public key, which is no secret."""
    parts = [secret[start : start + SECRET_PART_BYTES] for start in range(len(secret) - SECRET_PART_BYTES + 1)]
    return {
        line.encode()
        for line in pem.splitlines()[1:-1]
        if any(part in base64.b64decode(line + "=" * (-len(line) % 4)) for part in parts)
    }
