"""The steps of a script: each program that it starts and each call that changes a file, under a stable name."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.faults.interception import CALLS, OPENAT, Held

TAKES_ROOM = frozenset(
    {OPENAT, "write", "pwrite64", "writev", "sendfile", "copy_file_range", "rename", "renameat", "renameat2", "link"}
    | {"linkat", "symlink", "symlinkat", "mkdir", "mkdirat", "ftruncate"}
)
"""Calls that a full disk refuses."""
CHANGES = frozenset(CALLS) - {"execve", "fsync", "fdatasync", "sync"}
"""Calls that a read-only file system refuses."""
MAKES_OR_EMPTIES = os.O_CREAT | os.O_TRUNC
CURRENT_FOLDER = -100
PAGE = 4096


@dataclass(frozen=True, slots=True)
class Step:
    """One step: the `turn`-th time that a run of the script performed this call."""

    program: str
    call: str
    paths: tuple[str, ...]
    turn: int

    def __str__(self) -> str:
        return f"{self.program}: {self.call} {' '.join(self.paths)}, time {self.turn}"


@dataclass(frozen=True, slots=True)
class Doing:
    """A step while it is held: its process, and the shell that runs the script."""

    step: Step
    pid: int
    shell: int
    arguments: tuple[str, ...]
    """The arguments of the program that is started."""


def process(pid: int, what: str) -> bytes:
    """The content of a file below /proc/PID; empty if the process has ended."""
    try:
        return Path(f"/proc/{pid}/{what}").read_bytes()
    except OSError:
        return b""


def parent(pid: int) -> int:
    """The process number of its parent, or 0 if it has ended."""
    words = process(pid, "stat").rpartition(b")")[2].split()
    return int(words[1]) if words else 0


def is_script(pid: int) -> bool:
    """Whether the process is a shell that reads one of the program's scripts from its standard input."""
    return re.fullmatch(rb"sh\0-s\0--\0\w+\0", process(pid, "cmdline")) is not None


def ancestors(pid: int) -> list[int]:
    """The process and its ancestors."""
    found = []
    while pid > 1:
        found.append(pid)
        pid = parent(pid)
    return found


def script_above(pid: int) -> int | None:
    """The script's own shell at or above a process (a subshell has the same arguments), or None."""
    shells = [above for above in ancestors(pid) if is_script(above)]
    return shells[-1] if shells else None


def described(held: Held) -> tuple[str, str, tuple[str, ...]] | None:
    """The program, name and paths of a call, or None if it touches no file on a disk."""
    if held.call == OPENAT and not held.arguments[2] & MAKES_OR_EMPTIES:
        return None
    paths = tuple(
        _descriptor(held.pid, held.arguments[which])
        if isinstance(which, int)
        else _path(held, None if which[0] is None else held.arguments[which[0]], which[1])
        for which in CALLS[held.call][1]
    )
    if held.call != "execve" and not all(path.startswith("/") for path in paths):
        return None
    if any(path.startswith(("/dev/", "/proc/")) for path in paths):
        return None
    program = process(held.pid, "comm").decode().strip()
    return program, held.call, tuple(_lasting(path) for path in paths)


def arguments(held: Held) -> tuple[str, ...]:
    """The arguments of the program that is about to start."""
    found: list[str] = []
    place = held.arguments[1]
    while pointer := int.from_bytes(_memory(held.pid, place, 8), "little"):
        found.append(_text(held.pid, pointer))
        place += 8
    return tuple(found)


def _lasting(path: str) -> str:
    """A path without the parts that differ in each run."""
    path = re.sub(r"/tmp/tmp\.\w+", "/tmp/WORK", path)  # noqa: S108 a name is recognised, nothing is written
    path = re.sub(r"/run/k3s-registry\.\d+", "/run/WORK", path)
    return re.sub(r"\.tmp\.\w+", ".tmp.X", path)


def _descriptor(pid: int, number: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/fd/{number & 0xFFFFFFFF}").readlink())
    except OSError:
        return ""


def _path(held: Held, folder: int | None, which: int) -> str:
    name = _text(held.pid, held.arguments[which])
    if name.startswith("/"):
        return name
    number = CURRENT_FOLDER if folder is None else (folder & 0xFFFFFFFF) - (folder >> 31 & 1) * (1 << 32)
    try:
        link = f"/proc/{held.pid}/cwd" if number == CURRENT_FOLDER else f"/proc/{held.pid}/fd/{number}"
        return f"{Path(link).readlink()}/{name}"
    except OSError:
        return name


def _memory(pid: int, place: int, size: int) -> bytes:
    try:
        with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
            memory.seek(place)
            return memory.read(size)
    except OSError:
        return b""


def _text(pid: int, place: int) -> str:
    """A string from the process's memory; a read never crosses into a page that may not be mapped."""
    found = b""
    while piece := _memory(pid, place, PAGE - place % PAGE):
        end = piece.find(b"\0")
        if end >= 0:
            return (found + piece[:end]).decode(errors="replace")
        found += piece
        place += len(piece)
    return found.decode(errors="replace")


OnStep = Callable[[Doing], int]
"""Decides about a step: returns the error with which it must fail, or 0 to let it continue."""
