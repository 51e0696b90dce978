"""The kernel's packet filter, asked directly: the computer need not have iptables, which the machines bring along.

kube-proxy turns the addresses of Services into rules by the machines' iptables, which writes them into nf_tables on
Debian since 10 and on Ubuntu since 20.10. It needs a chain of type nat in an IPv4 table, so this module creates one.
"""

import ctypes
import os
import socket
import struct
from concurrent.futures import ThreadPoolExecutor

from lab.network import CLONE_NEWNET

CHAIN_TYPE = "nat"
SECONDS = 10.0
"""How long the kernel may take, which first loads its modules where it has them."""

# From linux/netlink.h, linux/netfilter/nfnetlink.h and linux/netfilter/nf_tables.h.
_NETLINK_NETFILTER = 12
_ERROR = 2
_REQUEST, _ACK, _CREATE = 0x1, 0x4, 0x400
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_NFTABLES = 10
_NEW_TABLE, _NEW_CHAIN = _NFTABLES << 8 | 0, _NFTABLES << 8 | 3
_TABLE_NAME = 1
_CHAIN_TABLE, _CHAIN_NAME, _CHAIN_HOOK, _CHAIN_TYPE = 1, 3, 4, 7
_HOOK_NUMBER, _HOOK_PRIORITY = 1, 2
_NESTED = 0x8000
_HEADER = struct.Struct("=IHHII")


def refusal() -> str | None:
    """The kernel's words if it refuses the chain, and None if it creates it or no namespace can be had to ask in."""
    # A thread can leave this process's network namespace for an empty one, which ends with the thread.
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(_ask_in_new_namespace).result()


def _ask_in_new_namespace() -> str | None:
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        return None
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER) as kernel:
            kernel.settimeout(SECONDS)
            kernel.send(_batch())
            number = _first_error(kernel)
    except OSError as error:
        return error.strerror or str(error)
    return os.strerror(number) if number else None


def _first_error(kernel: socket.socket) -> int:
    """The first error number among the answers to the two requests, or 0; an error in the batch itself ends it."""
    for _ in range(2):
        answer = kernel.recv(65536)
        kind = _HEADER.unpack_from(answer)[1]
        number: int = -struct.unpack_from("=i", answer, _HEADER.size)[0] if kind == _ERROR else 0
        if number:
            return number
    return 0


def _batch() -> bytes:
    table = _attribute(_TABLE_NAME, b"nat\0")
    hook = _attribute(_HOOK_NUMBER, bytes(4)) + _attribute(_HOOK_PRIORITY, struct.pack(">i", -100))
    chain = (
        _attribute(_CHAIN_TABLE, b"nat\0")
        + _attribute(_CHAIN_NAME, b"PREROUTING\0")
        + _attribute(_CHAIN_HOOK | _NESTED, hook)
        + _attribute(_CHAIN_TYPE, CHAIN_TYPE.encode() + b"\0")
    )
    create = _REQUEST | _CREATE | _ACK
    return b"".join(
        (
            _message(_BATCH_BEGIN, _REQUEST, socket.AF_UNSPEC, _NFTABLES),
            _message(_NEW_TABLE, create, socket.AF_INET, 0, table),
            _message(_NEW_CHAIN, create, socket.AF_INET, 0, chain),
            _message(_BATCH_END, _REQUEST, socket.AF_UNSPEC, _NFTABLES),
        )
    )


def _message(kind: int, flags: int, family: int, subsystem: int, body: bytes = b"") -> bytes:
    content = struct.pack(">BBH", family, 0, subsystem) + body
    return _HEADER.pack(_HEADER.size + len(content), kind, flags, 1, 0) + content


def _attribute(kind: int, value: bytes) -> bytes:
    padded = value + bytes(-len(value) % 4)
    return struct.pack("=HH", 4 + len(value), kind) + padded
