"""The files on a machine's disk, read from the host: snapshots to compare, and a search for secrets."""

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from lab.kinds import DEFAULT_DATA_DIR
from lab.machines import Machine

MANAGED = ("/etc", "/usr/local/share", "/root", "/home", "/opt")
"""The directories that the program might write to, beside K3s's own."""
ENTIRE = ("/etc", "/usr/local/share", "/usr/local/etc", "/root", "/home", "/opt", "/tmp", "/var")  # noqa: S108 - looked into, not written


def walk(machine: Machine, folders: Iterable[str]) -> Iterator[tuple[str, Path]]:
    """Every file and link below the directories: its name on the machine, and the host's path to it."""
    for folder in folders:
        top = machine.path(folder)
        for parent, _, names in os.walk(top):
            for name in names:
                path = Path(parent) / name
                yield f"{folder}/{path.relative_to(top)}", path


def snapshot(machine: Machine) -> dict[str, str]:
    """Type, mode, owner and content of everything that the program might touch."""
    seen: dict[str, str] = {}
    # Whatever data-dir K3s has, nothing belongs below the default one.
    agents = {f"{data_dir}/agent/etc" for data_dir in (machine.kind.data_dir, DEFAULT_DATA_DIR)}
    for name, path in walk(machine, (*MANAGED, *agents)):
        with contextlib.suppress(FileNotFoundError):  # what runs on the machine removes files meanwhile
            seen[name] = _described(path)
    return seen


def _described(path: Path) -> str:
    info = path.lstat()
    if stat.S_ISLNK(info.st_mode):
        content = f"-> {path.readlink()}"
    elif stat.S_ISREG(info.st_mode):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
    else:
        content = "special"
    return f"{info.st_mode:o} {info.st_uid}:{info.st_gid} {content}"


def differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """The names that were added, removed or changed."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def containing(machine: Machine, needles: Iterable[bytes]) -> list[str]:
    """The names of the files on the machine's disk that contain one of the needles."""
    found: list[str] = []
    # etcd holds every Secret of the cluster: Kubernetes writes it, not the program.
    kubernetes_own = f"{machine.kind.data_dir}/server/db"
    # The host's view of the machine's root does not show what is mounted there.
    for name, path in walk(machine, (*ENTIRE, *machine.data_folders.values())):
        if name.startswith(kubernetes_own):
            continue
        with contextlib.suppress(FileNotFoundError):  # what runs on the machine removes files meanwhile
            if stat.S_ISREG(path.lstat().st_mode) and _has(path.read_bytes(), needles):
                found.append(name)
    return found


def _has(content: bytes, needles: Iterable[bytes]) -> bool:
    return any(needle in content for needle in needles)
