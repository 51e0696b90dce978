"""Certificates as files, for the tools that judge them."""

import subprocess
from pathlib import Path
from subprocess import CompletedProcess

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding


def written(directory: Path, **certificates: x509.Certificate) -> dict[str, Path]:
    """Each certificate as a PEM file of its name."""
    paths = {}
    for name, certificate in certificates.items():
        paths[name] = directory / f"{name}.pem"
        paths[name].write_bytes(certificate.public_bytes(Encoding.PEM))
    return paths


def tool(*command: str | Path) -> CompletedProcess[str]:
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, timeout=60)
