"""Holds system calls that change a disk or start a program until a supervisor lets them continue.

seccomp(2)'s user notification: a filter on a process and all that it starts stops each such call before it happens.
The supervisor may let it go on, make it fail with an error of its choice, or end processes while it is held: so a fault
comes at exactly the call that was meant, and nothing in the command under test differs from what it always is.
"""

import ctypes
import errno
import fcntl
import os
import platform
import re
import select
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

ARCHITECTURES: Final = {"x86_64": (0xC000003E, 317, 0), "aarch64": (0xC00000B7, 277, 1)}
"""Machine name -> (AUDIT_ARCH, number of seccomp(2), column in CALLS)."""

OPENAT: Final = "openat"
# Paths are given as the argument that holds the folder's descriptor (None: the current folder) and that of the name;
# a plain number is a descriptor.
CALLS: Final[dict[str, tuple[tuple[int | None, int | None], tuple[int | tuple[int | None, int], ...]]]] = {
    "execve": ((59, 221), ((None, 0),)),
    OPENAT: ((257, 56), ((0, 1),)),
    "write": ((1, 64), (0,)),
    "pwrite64": ((18, 68), (0,)),
    "writev": ((20, 66), (0,)),
    "sendfile": ((40, 71), (0,)),
    "copy_file_range": ((326, 285), (2,)),
    "ftruncate": ((77, 46), (0,)),
    "fchmod": ((91, 52), (0,)),
    "fchown": ((93, 55), (0,)),
    "fsync": ((74, 82), (0,)),
    "fdatasync": ((75, 83), (0,)),
    "sync": ((162, 81), ()),
    "rename": ((82, None), ((None, 0), (None, 1))),
    "renameat": ((264, 38), ((0, 1), (2, 3))),
    "renameat2": ((316, 276), ((0, 1), (2, 3))),
    "link": ((86, None), ((None, 1),)),
    "linkat": ((265, 37), ((2, 3),)),
    "symlink": ((88, None), ((None, 1),)),
    "symlinkat": ((266, 36), ((1, 2),)),
    "unlink": ((87, None), ((None, 0),)),
    "unlinkat": ((263, 35), ((0, 1),)),
    "rmdir": ((84, None), ((None, 0),)),
    "mkdir": ((83, None), ((None, 0),)),
    "mkdirat": ((258, 34), ((0, 1),)),
    "chmod": ((90, None), ((None, 0),)),
    "fchmodat": ((268, 53), ((0, 1),)),
    "chown": ((92, None), ((None, 0),)),
    "lchown": ((94, None), ((None, 0),)),
    "fchownat": ((260, 54), ((0, 1),)),
}

_OPENS_TO_CHANGE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_ALLOW, _NOTIFY = 0x7FFF0000, 0x7FC00000
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_AT_NUMBER, _AT_ARCHITECTURE, _AT_FLAGS = 0, 4, 32  # struct seccomp_data; the flags are openat's third argument
_SET_FILTER, _NEW_LISTENER, _ONLY_KILLABLE = 1, 1 << 3, 1 << 5
_RECEIVE, _ANSWER = 0xC0502100, 0xC0182101
_NOTIFICATION, _RESPONSE = struct.Struct("=QIIiIQ6Q"), struct.Struct("=QqiI")
_GO_ON = 1


def lack() -> str | None:
    """The reason why this computer cannot hold calls, or None."""
    if platform.machine() not in ARCHITECTURES:
        return f"calls are held on {' and '.join(ARCHITECTURES)} only, not on {platform.machine()}"
    release = tuple(int(number) for number in re.findall(r"\d+", platform.release())[:2])
    return None if release >= (5, 19) else f"Linux {platform.release()} cannot hold calls; 5.19 and newer can"


def _numbers() -> dict[int, str]:
    column = ARCHITECTURES[platform.machine()][2]
    return {number: name for name, (numbers, _) in CALLS.items() if (number := numbers[column]) is not None}


def _program() -> bytes:
    architecture = ARCHITECTURES[platform.machine()][0]
    numbers = _numbers()
    opening = next(number for number, name in numbers.items() if name == OPENAT)
    others = [number for number in numbers if number != opening]
    lines = [
        (_LOAD, 0, 0, _AT_ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, _AT_NUMBER),
        (_EQUAL, 0, 2, opening),
        (_LOAD, 0, 0, _AT_FLAGS),
        (_ANY_BIT, len(others) + 1, len(others), _OPENS_TO_CHANGE),
        *((_EQUAL, len(others) - place, 0, number) for place, number in enumerate(others)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _NOTIFY),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def install() -> int:
    """Install the filter on this process permanently and return the descriptor on which a supervisor listens.

    Raises:
        OSError: the kernel has no such notifications (they came with Linux 5.19), or this process lacks CAP_SYS_ADMIN.
    """
    code = _program()
    lines = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(code) // 8, ctypes.addressof(lines))
    libc = ctypes.CDLL(None, use_errno=True)
    number = ARCHITECTURES[platform.machine()][1]
    listener: int = libc.syscall(number, _SET_FILTER, _NEW_LISTENER | _ONLY_KILLABLE, program)
    if listener < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return listener


@dataclass(frozen=True, slots=True)
class Held:
    """A call that waits for its answer."""

    number: int
    pid: int
    """The process number as the host sees it, whatever PID namespace the process is in."""
    call: str
    arguments: tuple[int, ...]


def held_calls(listener: int) -> Iterator[Held]:
    """Every call that the filter holds, until the last filtered process has ended; each must be answered."""
    numbers = _numbers()
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    while True:
        ((_, event),) = poll.poll()
        if not event & select.POLLIN:
            return
        buffer = bytearray(_NOTIFICATION.size)
        try:
            fcntl.ioctl(listener, _RECEIVE, buffer)
        except OSError as error:
            # The process was killed between the two calls.
            if error.errno in {errno.ENOENT, errno.EINTR}:
                continue
            raise
        number, pid, _, call, _, _, *arguments = _NOTIFICATION.unpack(buffer)
        yield Held(number, pid, numbers[call], tuple(arguments))


def answer(listener: int, held: Held, error: int = 0) -> bool:
    """Let a call continue, or fail with `error` instead; returns False if its process has ended meanwhile."""
    response = bytearray(_RESPONSE.pack(held.number, 0, -error, 0 if error else _GO_ON))
    try:
        fcntl.ioctl(listener, _ANSWER, response)
    except OSError as failed:
        if failed.errno == errno.ENOENT:
            return False
        raise
    return True
