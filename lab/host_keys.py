"""The machines' SSH host keys, which are published."""

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lab.settings import MachineName


def host_key(place: MachineName) -> Ed25519PrivateKey:
    """The machine's published, throwaway SSH host key, derived from the machine's name."""
    return Ed25519PrivateKey.from_private_bytes(place.host_key_seed)


def host_key_pem(place: MachineName) -> bytes:
    """The host key as sshd reads it."""
    return host_key(place).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )


def host_key_line(place: MachineName) -> str:
    """The public host key in the form of known_hosts and `nodes.NAME.hostKey`: `ssh-ed25519 AAAA...`."""
    public = host_key(place).public_key()
    return public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
