"""What must hold on a node whatever has happened to a run, and what must hold once the next run is through."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from components.node_files import CA_FILE
from lab.machines import Machine
from tests.faults.patient import HOSTS_TOML, REGISTRIES, SECRET, Patient
from tests.faults.snapshot import PLACES, Entry, Snapshot, differences, identities, inside, snapshot

MARKER = ".k3s-registry"
LOCK = "k3s-registry.lock"
STORE = "/etc/ssl/certs"
FILLER = ".filler"
"""What takes all the room of a file system."""
PENDING = f"{CA_FILE}.store-pending"
ON_THE_WAY = (".k3s-registry", ".store-pending", "ca-certificates.crt.new")
"""What the names of files end with that a run, or Debian's tool, makes on its way: no part of the node reads them."""


def check_after_the_fault(patient: Patient, old: Snapshot, new: Snapshot) -> None:
    """Fail unless every file is wholly old or wholly new, and names no CA that is not there."""
    found = snapshot(patient.machine)
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
    _check_secret(patient.machine)
    ours, folders = leftovers(patient.machine), work_folders(patient.machine)
    assert [name for name in ours if Path(name).name != LOCK and name not in folders] == []


def check_after_the_next_run(patient: Patient, state: str) -> None:
    """Fail unless the next run brings about what an undisturbed one does, and the one after it changes nothing."""
    patient.run(state).changed  # noqa: B018 it fails the test unless the run ended well
    found = snapshot(patient.machine)
    wrong = _told(patient.states[state], found)
    assert not wrong, f"the next run did not converge: {wrong}"
    left = leftovers(patient.machine)
    assert not left, f"the next run left {left}"
    before = identities(patient.machine)
    assert not patient.run(state).changed, "the run after the next one changed something"
    after = identities(patient.machine)
    assert [name for name in before if before[name] != after.get(name)] == [], "files were written again"
    wrong = _told(found, snapshot(patient.machine))
    assert not wrong, f"the run after the next one changed {wrong}"
    assert leftovers(patient.machine) == []


def _told(wanted: Snapshot, found: Snapshot) -> list[str]:
    """What differs, and what of it shows in a line."""

    def short(entry: Entry | None) -> str:
        if entry is None:
            return "nothing"
        what = f"{len(entry.content)} bytes" if isinstance(entry.content, bytes) else entry.content or "folder"
        return f"{entry.mode:o} {entry.uid} {what}"

    return [
        f"{name}: {short(found.get(name))} instead of {short(wanted.get(name))}" for name in differences(wanted, found)
    ]


def check_journal(patient: Patient) -> None:
    """Fail when the user's password stands in the machine's journal."""
    journal = patient.machine.run(["journalctl", "--quiet", "--no-pager", "--output=export"]).stdout
    assert "COMMAND=/usr/bin/sh -s -- apply" in journal, "the journal does not hold the runs at all"
    assert SECRET not in journal


def _is_on_the_way(name: str) -> bool:
    # A file of just that name marks a folder that we made.
    path = PurePosixPath(name)
    names = [part for part in path.parts if part != MARKER]
    return any(part.endswith((*ON_THE_WAY, FILLER)) for part in names)


def leftovers(machine: Machine) -> list[str]:
    """What of ours lies in the machine's /tmp and /run."""
    temporary = [path for path in inside(machine, "/tmp").iterdir() if not path.name.startswith("systemd-private-")]  # noqa: S108 looked into, not written
    # Debian's tool leaves its own behind when it is killed.
    temporary = [path for path in temporary if not path.name.startswith((".", "ca-certificates."))]
    running = list(inside(machine, "/run").glob("k3s-registry*"))
    return sorted(str(path).partition("/root/")[2] for path in [*temporary, *running])


def work_folders(machine: Machine) -> list[str]:
    """Those that a dead run could not clear away: nobody but root may look into them."""
    found = []
    for name in leftovers(machine):
        status = inside(machine, name).lstat()
        if stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) == stat.S_IRWXU and status.st_uid == 0:
            found.append(name)
    return found


def _rehashed(name: str, found: Snapshot) -> bool:
    """Whether it is a link by hash that Debian's tool had taken away and not yet made anew: the next run redoes it."""
    parent, _, link = name.rpartition("/")
    return parent == STORE and link[8:9] == "." and link[9:].isdigit() and name not in found and PENDING in found


def _check_secret(machine: Machine) -> None:
    """Fail when a file with the user's password in it can be read by another than root and the file's owner."""
    wide = [str(path) for path in _readable_files(machine) if SECRET.encode() in path.read_bytes()]
    assert wide == [], f"others may read the user's password in {wide}"


def _readable_files(machine: Machine) -> Iterator[Path]:
    """Regular files that users without rights may read, as far as they may enter the folders."""
    for place in (*PLACES, "/tmp", "/run", "/var/tmp"):  # noqa: S108 looked into, not written
        for parent, folders, files in os.walk(inside(machine, place)):
            folders[:] = [name for name in folders if (Path(parent) / name).lstat().st_mode & stat.S_IXOTH]
            for name in files:
                status = (Path(parent) / name).lstat()
                if stat.S_ISREG(status.st_mode) and status.st_mode & (stat.S_IRGRP | stat.S_IROTH):
                    yield Path(parent) / name
