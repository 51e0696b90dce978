"""Conditions that must hold on a node after any fault, and those that must hold after the next run."""

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from components.nodes.files import CA_FILE
from lab.machines import Machine
from tests.faults.node_under_fault import HOSTS_TOML, REGISTRIES, SECRET, NodeUnderFault
from tests.faults.snapshot import PLACES, Entry, Snapshot, differences, identities, inside, snapshot

MARKER = ".k3s-registry"
LOCK = "k3s-registry.lock"
STORE = "/etc/ssl/certs"
FILLER = ".filler"
"""The file that fills a file system."""
PENDING = f"{CA_FILE}.store-pending"
ON_THE_WAY = (".k3s-registry", ".store-pending", "ca-certificates.crt.new")
"""Suffixes of temporary files that a run, or Debian's tool, creates; no part of the node reads such files."""


def check_after_the_fault(node: NodeUnderFault, old: Snapshot, new: Snapshot) -> None:
    """Fail unless every file is completely old or completely new, and names no CA that does not exist."""
    found = snapshot(node.machine)
    kept = {name: entry for name, entry in found.items() if not _is_on_the_way(name)}
    torn = [
        name
        for name in old.keys() | new.keys() | kept.keys()
        if kept.get(name) not in (old.get(name), new.get(name)) and not _rehashed(name, found)
    ]
    assert not torn, f"neither old nor new: {', '.join(sorted(torn))}"
    for name in (REGISTRIES, HOSTS_TOML):
        content = found[name].content if name in found else b""
        assert isinstance(content, bytes)
        assert CA_FILE.encode() not in content or CA_FILE in found, f"{name} names {CA_FILE}, which is missing"
    _check_secret(node.machine)
    ours, folders = leftovers(node.machine), work_folders(node.machine)
    assert [name for name in ours if Path(name).name != LOCK and name not in folders] == []


def check_after_the_next_run(node: NodeUnderFault, state: str) -> None:
    """Fail unless the next run has the result of a run without faults, and the one after it changes nothing."""
    node.run(state).changed  # noqa: B018 it fails the test unless the run ended well
    found = snapshot(node.machine)
    wrong = _told(node.states[state], found)
    assert not wrong, f"the next run did not converge: {wrong}"
    left = leftovers(node.machine)
    assert not left, f"the next run left {left}"
    before = identities(node.machine)
    assert not node.run(state).changed, "the run after the next one changed something"
    after = identities(node.machine)
    written = {name: (before[name], after.get(name)) for name in before if before[name] != after.get(name)}
    assert written == {}, "files were written again (inode and time, before and after)"
    wrong = _told(found, snapshot(node.machine))
    assert not wrong, f"the run after the next one changed {wrong}"
    assert leftovers(node.machine) == []


def _told(wanted: Snapshot, found: Snapshot) -> list[str]:
    """The differences, each in one line."""

    def short(entry: Entry | None) -> str:
        if entry is None:
            return "nothing"
        what = f"{len(entry.content)} bytes" if isinstance(entry.content, bytes) else entry.content or "folder"
        return f"{entry.mode:o} {entry.uid} {what}"

    return [
        f"{name}: {short(found.get(name))} instead of {short(wanted.get(name))}" for name in differences(wanted, found)
    ]


def check_journal(node: NodeUnderFault) -> None:
    """Fail if the machine's journal contains the user's password."""
    command = node.machine.command(["journalctl", "--quiet", "--no-pager", "--output=export"])
    # A field of several lines, as the kernel writes some, follows its length: bytes that are not UTF-8.
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    journal = raw.decode(errors="replace")
    assert "COMMAND=/usr/bin/sh -s -- apply" in journal, "the journal does not hold the runs at all"
    assert SECRET not in journal


def _is_on_the_way(name: str) -> bool:
    # A file of exactly this name marks a directory that the program has created.
    path = PurePosixPath(name)
    names = [part for part in path.parts if part != MARKER]
    return any(part.endswith((*ON_THE_WAY, FILLER)) for part in names)


def leftovers(machine: Machine) -> list[str]:
    """The program's files in the machine's /tmp and /run."""
    temporary = [path for path in inside(machine, "/tmp").iterdir() if not path.name.startswith("systemd-private-")]  # noqa: S108 looked into, not written
    # Debian's tool leaves files of its own behind when it is killed.
    temporary = [path for path in temporary if not path.name.startswith((".", "ca-certificates."))]
    running = list(inside(machine, "/run").glob("k3s-registry*"))
    return sorted(str(path).partition("/root/")[2] for path in [*temporary, *running])


def work_folders(machine: Machine) -> list[str]:
    """The directories that a killed run could not remove; only root may read them."""
    found = []
    for name in leftovers(machine):
        status = inside(machine, name).lstat()
        if stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) == stat.S_IRWXU and status.st_uid == 0:
            found.append(name)
    return found


def _rehashed(name: str, found: Snapshot) -> bool:
    """Whether it is a hash link that Debian's tool had removed and not yet created again, as the next run will."""
    parent, _, link = name.rpartition("/")
    return parent == STORE and link[8:9] == "." and link[9:].isdigit() and name not in found and PENDING in found


def _check_secret(machine: Machine) -> None:
    """Fail if anybody except root and the file's owner can read a file with the user's password."""
    wide = [str(path) for path in _readable_files(machine) if SECRET.encode() in path.read_bytes()]
    assert wide == [], f"others may read the user's password in {wide}"


def _readable_files(machine: Machine) -> Iterator[Path]:
    """Regular files that unprivileged users may read, in directories that they may enter."""
    for place in (*PLACES, "/tmp", "/run", "/var/tmp"):  # noqa: S108 looked into, not written
        for parent, folders, files in os.walk(inside(machine, place)):
            folders[:] = [name for name in folders if (Path(parent) / name).lstat().st_mode & stat.S_IXOTH]
            for name in files:
                status = (Path(parent) / name).lstat()
                if stat.S_ISREG(status.st_mode) and status.st_mode & (stat.S_IRGRP | stat.S_IROTH):
                    yield Path(parent) / name
