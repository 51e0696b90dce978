"""Snapshots of the places where the program writes on a machine: bytes, modes, owners, links and directories."""

import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.kinds import DEFAULT_DATA_DIR
from lab.machines import Machine

PLACES = ("/etc", "/usr/local/share", f"{DEFAULT_DATA_DIR}/agent/etc")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, link or directory."""

    mode: int
    uid: int
    gid: int
    content: bytes | str | None
    """The bytes of a file, or the target of a link."""


Snapshot = Mapping[str, Entry]


def inside(machine: Machine, name: str) -> Path:
    """The host's path to a file as the running machine sees it, with its mounts."""
    leader = machine.leader()
    assert leader is not None, f"{machine.name} does not run"
    return Path(f"/proc/{leader}/root") / name.lstrip("/")


def entries(machine: Machine) -> Iterator[tuple[str, Path]]:
    """Everything below PLACES: its name on the machine, and the host's path to it."""
    for place in PLACES:
        top = inside(machine, place)
        for parent, folders, files in os.walk(top):
            for name in [*folders, *files]:
                path = Path(parent) / name
                yield f"{place}/{path.relative_to(top)}", path


def snapshot(machine: Machine) -> dict[str, Entry]:
    """The snapshot of everything below PLACES."""
    return {name: _entry(path) for name, path in entries(machine)}


def _entry(path: Path) -> Entry:
    status = path.lstat()
    content: bytes | str | None = None
    if stat.S_ISLNK(status.st_mode):
        content = str(path.readlink())
    elif stat.S_ISREG(status.st_mode):
        content = path.read_bytes()
    return Entry(status.st_mode, status.st_uid, status.st_gid, content)


def identities(machine: Machine) -> dict[str, tuple[int, int]]:
    """The inode number and time of each file, which reveal a rewrite with the same bytes."""
    return {name: (path.lstat().st_ino, path.lstat().st_mtime_ns) for name, path in entries(machine)}


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    """The names that were added, removed or changed."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def restore(machine: Machine, wanted: Snapshot) -> None:
    """Restore everything to an earlier snapshot."""
    now = snapshot(machine)
    for name in sorted(differences(wanted, now), reverse=True):
        path = inside(machine, name)
        if name in now and (name not in wanted or stat.S_IFMT(now[name].mode) != stat.S_IFMT(wanted[name].mode)):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    for name in sorted(differences(wanted, snapshot(machine))):
        path, entry = inside(machine, name), wanted[name]
        if isinstance(entry.content, str):
            path.unlink(missing_ok=True)
            path.symlink_to(entry.content)
        elif isinstance(entry.content, bytes):
            path.write_bytes(entry.content)
        else:
            path.mkdir(exist_ok=True)
        os.chown(path, entry.uid, entry.gid, follow_symlinks=False)
        if not path.is_symlink():
            path.chmod(stat.S_IMODE(entry.mode))
