"""Rules for single configuration values. Each returns the rule that the value breaks, or None."""

import base64
import binascii
import ipaddress
import re
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

# The editor's schema contains these patterns and lengths too.
LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
DNS_NAME: Final = rf"{LABEL}(\.{LABEL})*"
_NOT_IN_USER: Final = r"""\s:/,;'"`|&<>()*?!{}\[\]"""
USER: Final = rf"[^{_NOT_IN_USER}-][^{_NOT_IN_USER}]{{0,127}}"
QUANTITY: Final = r"(?=[0-9.]*[1-9])([0-9]+(\.[0-9]*)?|\.[0-9]+)(Ki|Mi|Gi|Ti|Pi|Ei|k|M|G|T|P|E|[eE][+-]?[0-9]{1,2})?"
IMAGE: Final = (
    r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
    r"(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[0-9a-f]{64})?"
)
WAVE_SIZE: Final = r"[1-9][0-9]{0,5}|([1-9][0-9]?|100)%"
NODE_LABEL: Final = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
DNS_NAME_CHARACTERS: Final = 253
NOTE_CHARACTERS: Final = 100
GENERATION_CHARACTERS: Final = 40
_HOST_KEY_TYPES: Final = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")
HOST_KEY: Final = rf"\s*({'|'.join(_HOST_KEY_TYPES)})\s+[A-Za-z0-9+/]+=*(\s.*)?"

_HOST_KEY_FIELDS: Final = 2
_PARTS_OF_KEY: Final = {"ssh-ed25519": 2, "ecdsa": 3}
"""Type and key; ECDSA names its curve between them."""
_WITHOUT_ZONE: Final = "it must be without a zone, which names an interface of one machine alone"
_ASK_FOR_KEY: Final = "`ssh-keyscan -t ed25519 HOST` prints it after the host name"


def note(value: str) -> str | None:
    """A short string that may be part of a script's settings."""
    if len(value) <= NOTE_CHARACTERS and value.isprintable():
        return None
    return f"it must be one line of at most {NOTE_CHARACTERS} printable characters"


def dns_name(value: str) -> str | None:
    """A lower-case DNS name as RFC 1123 defines it."""
    if len(value) <= DNS_NAME_CHARACTERS and re.fullmatch(DNS_NAME, value):
        return None
    return (
        "it must be a DNS name: lower-case letters, digits and hyphens in labels of at most 63 characters, "
        f"{DNS_NAME_CHARACTERS} in all"
    )


def registry_name(value: str) -> str | None:
    """A name that a certificate may contain and that every node resolves through its hosts file."""
    wrong = dns_name(value)
    if wrong is not None:
        return f"no certificate may contain it: {wrong}"
    if value.rpartition(".")[2].isdigit():
        return "its last label must not be a number: clients would read it as an address"
    if value == "localhost" or value.endswith(".localhost"):
        return "it must not be localhost: containerd speaks plain HTTP to that"
    if value.endswith((".svc", ".cluster.local")):
        return "it must not be a name of the cluster's own DNS: nodes do not ask that DNS, so no pull would find it"
    return None


def certificate_name(value: str) -> str | None:
    """A name or an address that the certificate alone contains; a wildcard stands for one label."""
    if is_address(value):
        return _WITHOUT_ZONE if "%" in value else None
    name = value.removeprefix("*.")
    if dns_name(name) is None and not name.rpartition(".")[2].isdigit():
        return None
    return "it must be a DNS name in lower case, which may begin with *., or an IP address"


def annotation(value: str) -> str | None:
    """The name of an annotation, as Kubernetes requires it."""
    wrong = node_label_name(value)
    return wrong and wrong.replace("name of a label", "name of an annotation")


def address(value: str) -> str | None:
    """An IPv4 or IPv6 address that another machine can reach."""
    try:
        parsed = ipaddress.ip_address(value)
    except ValueError:
        return "it must be an IPv4 or IPv6 address"
    if "%" in value:
        return _WITHOUT_ZONE
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        return "it must be the IPv4 address itself, not its form in IPv6"
    if parsed.is_unspecified or parsed.is_loopback or parsed.is_multicast or parsed.is_link_local:
        return "it must be an address that other machines reach: not loopback, link-local, multicast or unspecified"
    return None


def is_address(value: str) -> bool:
    """Whether it is an IP address rather than a name."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def canonical(value: str) -> str:
    """An address in its one shortest form; any other name in lower case, as DNS compares names."""
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        return value.lower()


def generation(value: str) -> str | None:
    """The name of an authority's generation; it is part of a common name, which holds 64 characters (RFC 5280)."""
    if len(value) <= GENERATION_CHARACTERS and re.fullmatch(LABEL, value):
        return None
    return f"it must be lower-case letters, digits and hyphens, at most {GENERATION_CHARACTERS}"


def host(value: str) -> str | None:
    """Where a node's SSH server answers: an address or a DNS name."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        if dns_name(value.lower()) is None and not value.rpartition(".")[2].isdigit():
            return None
        return "it must be an IP address or a DNS name, without user and port"
    return _WITHOUT_ZONE if "%" in value else None


def host_key(value: str) -> str | None:
    """One line of an OpenSSH public key that pulumi-command can pin.

    RSA is refused because the SSH library asks for exactly the pinned key's type name, and for RSA that names a SHA-1
    signature, which today's servers do not give (golang.org/x/crypto/ssh).
    """
    fields = value.split()
    if len(fields) < _HOST_KEY_FIELDS or "\n" in value.strip():
        return f"it must be one line: key type, a space, the key in base64 ({_ASK_FOR_KEY})"
    kind, blob = fields[0], fields[1]
    if kind == "ssh-rsa":
        return (
            "it must be ed25519 or ECDSA, since pinning RSA asks for a SHA-1 signature, which OpenSSH refuses since "
            f"8.8 ({_ASK_FOR_KEY})"
        )
    if kind not in _HOST_KEY_TYPES:
        return f"its type must be one of {', '.join(_HOST_KEY_TYPES)} ({_ASK_FOR_KEY})"
    return _key_problem(kind, blob)


def _key_problem(kind: str, blob: str) -> str | None:
    try:
        parts = _ssh_strings(base64.b64decode(blob, validate=True))
    except (binascii.Error, ValueError):
        return "its second field must be base64: copy the whole line"
    if not parts:
        return "the key in base64 is cut short: copy the whole line"
    if parts[0] != kind.encode():
        return "the key in base64 must be of the type named before it: copy the whole line"
    if len(parts) != _PARTS_OF_KEY[kind.partition("-sha2-")[0]]:
        return "the key in base64 is damaged: copy the whole line"
    return None


def _ssh_strings(blob: bytes) -> list[bytes] | None:
    """The length-prefixed strings that make up a public key (RFC 4253, 6.6), or None where they do not add up."""
    parts: list[bytes] = []
    while blob:
        length = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + length:
            return None
        parts.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    return parts


def user(value: str) -> str | None:
    """A login name on a node; a directory service gives names with dots, capitals, `@` and backslash."""
    if re.fullmatch(USER, value) and value.isprintable():
        return None
    return "it must be a login name: no spaces and none of : / , and the shell's own characters"


def private_key(value: str) -> str | None:
    """A private key that can be used without a passphrase. Other formats are left to the SSH client."""
    load = load_ssh_private_key if "OPENSSH" in value else load_pem_private_key
    try:
        load(value.encode(), None)
    except TypeError:
        return (
            "it must have no passphrase, since nobody is asked for one: remove it from a copy "
            "(`ssh-keygen -p -N '' -f COPY`), or unset this key and load the private key into an SSH agent"
        )
    except (ValueError, UnsupportedAlgorithm):
        return None
    return None


def quantity(value: str) -> str | None:
    """A Kubernetes quantity of storage, without the suffixes for parts of a byte."""
    return None if re.fullmatch(QUANTITY, value) else "it must be a Kubernetes quantity, such as 15Gi, 1.5Ti or 15e9"


def wave_size(value: str) -> str | None:
    """A number of nodes, or a percentage of them."""
    return None if re.fullmatch(WAVE_SIZE, value) else "it must be a number of nodes from 1, or 1% to 100%"


def label(value: str) -> str | None:
    """One DNS label, as Kubernetes requires for a namespace."""
    if re.fullmatch(LABEL, value):
        return None
    return "it must be lower-case letters, digits and hyphens, at most 63, beginning and ending with a letter or digit"


def node_label_name(value: str) -> str | None:
    """The name of a node's label, with or without a DNS name before it."""
    prefix, slash, name = value.rpartition("/")
    if re.fullmatch(NODE_LABEL, name) and (dns_name(prefix) is None if slash else True):
        return None
    return "it must be the name of a label: letters, digits, '-', '_' and '.', at most 63, after an optional DNS name/"


def node_label_value(value: str) -> str | None:
    """The value of a node's label, which may be empty."""
    if not value or re.fullmatch(NODE_LABEL, value):
        return None
    return (
        "it must be the value of a label: letters, digits, '-', '_' and '.', at most 63, beginning and ending with a "
        "letter or digit"
    )


def image(value: str) -> str | None:
    """An image reference, with or without tag and digest."""
    return (
        None if re.fullmatch(IMAGE, value) else "it must be an image reference: name, then :tag, @sha256:digest or both"
    )
