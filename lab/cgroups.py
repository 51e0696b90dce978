"""The cgroups that hold a lab's processes: how to create them, list their processes and kill those.

Only the cgroup identifies a lab's processes, so a crash of this program loses none of them and no foreign process is
ever mistaken for one of the lab's. Layout below every hierarchy: `k3s-registry-lab/<lab>/<group>`.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.settings import Lab, LabError

MOUNT = Path("/sys/fs/cgroup")
PARENT = "k3s-registry-lab"
KILL_SECONDS = 20.0
PROCS = "cgroup.procs"


def is_unified() -> bool:
    """Whether this host uses cgroup v2 only (otherwise v1, or v1 beside v2)."""
    return (MOUNT / PROCS).exists()


def hierarchies() -> list[Path]:
    """The root of every cgroup hierarchy of this host."""
    if is_unified():
        return [MOUNT]
    # Links such as cpuacct -> cpu,cpuacct point to a hierarchy that is already listed.
    return sorted(path for path in MOUNT.iterdir() if not path.is_symlink() and (path / PROCS).exists())


def _fill(folder: Path) -> None:
    """Prepare `folder` to hold processes."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        own, above = folder / name, folder.parent / name
        # cgroup v1 refuses processes while these are empty; v2 inherits them.
        if not is_unified() and own.exists() and not own.read_text().strip():
            own.write_text(above.read_text())


def _delegate(folder: Path) -> None:
    """Let the children of `folder` use every controller that it has itself (cgroup v2 only)."""
    if is_unified():
        for controller in (folder / "cgroup.controllers").read_text().split():
            with contextlib.suppress(OSError):
                (folder / "cgroup.subtree_control").write_text(f"+{controller}")


def _processes(folder: Path) -> Iterator[int]:
    """Every process in `folder` and below it."""
    for base, _, files in os.walk(folder):
        if PROCS in files:
            with contextlib.suppress(OSError):
                yield from (int(line) for line in (Path(base) / PROCS).read_text().split())


def _remove(folder: Path) -> None:
    for base, folders, _ in os.walk(folder, topdown=False):
        for name in folders:
            with contextlib.suppress(OSError):
                (Path(base) / name).rmdir()
    with contextlib.suppress(OSError):
        folder.rmdir()


def ancestors() -> set[int]:
    """This process and its ancestors, which must survive when the command runs inside the lab that it stops."""
    found, pid = set(), os.getpid()
    while pid > 0:
        found.add(pid)
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            break
    return found


@dataclass(frozen=True, slots=True)
class Group:
    """The cgroups of one part of a lab, one in each hierarchy."""

    lab: Lab
    name: str

    def folders(self) -> list[Path]:
        """Its directory in each hierarchy, whether it exists or not."""
        return [root / PARENT / self.lab.name / self.name for root in hierarchies()]

    def create(self, *leaves: str) -> None:
        """Create the cgroups, with the children `leaves`, ready to hold processes; existing ones are kept."""
        for folder in self.folders():
            for path in (folder.parent.parent, folder.parent, folder):
                _delegate(path.parent)
                path.mkdir(exist_ok=True)
                _fill(path)
            if leaves:
                _delegate(folder)
            for leaf in leaves:
                (folder / leaf).mkdir(exist_ok=True)
                _fill(folder / leaf)

    def enter(self) -> None:
        """Move this process into the group; processes that it starts from now on belong to the lab."""
        self.create()
        for folder in self.folders():
            (folder / PROCS).write_text(str(os.getpid()))

    def processes(self) -> set[int]:
        """The processes that any hierarchy holds in this group."""
        return {pid for folder in self.folders() for pid in _processes(folder)}

    def kill(self) -> None:
        """Kill every process of the group except this one and its ancestors, and wait until all have ended.

        Raises:
            LabError: a process is still alive 20 s after SIGKILL, such as one that waits for a dead disk.
        """
        spared = ancestors()
        deadline = time.monotonic() + KILL_SECONDS
        while doomed := self.processes() - spared:
            for pid in doomed:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > deadline:
                message = f"{self.name}: processes {sorted(doomed)} do not end on SIGKILL; look at their state in ps"
                raise LabError(message)
            time.sleep(0.02)

    def remove(self) -> None:
        """Remove the cgroups; processes spared by `kill` move to the root cgroup first."""
        for folder in self.folders():
            for pid in set(_processes(folder)):
                with contextlib.suppress(OSError):
                    (folder.parent.parent.parent / PROCS).write_text(str(pid))
            _remove(folder)


def groups(lab: Lab) -> list[Group]:
    """The groups of `lab` that exist in any hierarchy."""
    names = set()
    for root in hierarchies():
        folder = root / PARENT / lab.name
        if folder.is_dir():
            names |= {entry.name for entry in folder.iterdir() if entry.is_dir()}
    return [Group(lab, name) for name in sorted(names)]


def lab_names() -> set[str]:
    """The names of all labs that have a cgroup in any hierarchy."""
    folders = [root / PARENT for root in hierarchies()]
    return {entry.name for folder in folders if folder.is_dir() for entry in folder.iterdir() if entry.is_dir()}


def remove_lab(lab: Lab) -> None:
    """Remove the lab's own directory in each hierarchy, and its parent when no other lab is left."""
    for root in hierarchies():
        _remove(root / PARENT / lab.name)
        with contextlib.suppress(OSError):
            (root / PARENT).rmdir()
