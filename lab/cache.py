"""What the cache keeps: the two newest makings of each thing, and nothing that a killed command left half made."""

import contextlib
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from lab.settings import STATE_ROOT, cache_root

GENERATIONS = 2
SCRATCH_SECONDS = 24 * 3600.0
IDLE_SECONDS = 3600.0
"""What was used so lately is kept in any case: another command may be about to use it again."""

KINDS = {
    "tools": r"(?P<set>[a-z0-9-]+)-[0-9a-f]{16}",
    "trees": r"(?P<set>)[0-9a-f]{16}",
    "layers": r"(?P<set>)[0-9a-f]{16}",
    "images": r"(?P<set>.+)-[0-9a-f]{16}\.tar",
}
"""The cache's folders, and how the names of makings in them are built."""

SCRATCH = {
    ".": re.compile(r"\.go-.{8}"),
    "tools": re.compile(r"\.[a-z0-9-]+-[a-z0-9_]{8}"),
    "trees": re.compile(r"making-.{8}"),
    "layers": re.compile(r"making-.{8}"),
    "images": re.compile(r"making-.{8}"),
}


def used(path: Path) -> Path:
    """Note that the making at `path` is in use, so that it counts among the newest; gives `path` back."""
    mark = _mark(path)
    with contextlib.suppress(OSError):
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    return path


def prune() -> list[Path]:
    """Remove old makings and old scratch, but nothing that a lab uses; says what went."""
    gone = []
    for path in (*_old_scratch(), *_old_makings()):
        _remove(path)
        gone.append(path)
    return gone


def _mark(path: Path) -> Path:
    # Beside the makings: to touch a tree itself would change a layer under a running machine.
    return cache_root() / "used" / path.parent.name / path.name


def _age(path: Path) -> float:
    """Seconds since the making was last used, or made if that is not known."""
    for place in (_mark(path), path):
        with contextlib.suppress(OSError):
            return time.time() - place.stat().st_mtime
    return 0.0


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _old_scratch() -> Iterator[Path]:
    for folder, pattern in SCRATCH.items():
        for path in _entries(cache_root() / folder):
            with contextlib.suppress(OSError):
                if pattern.fullmatch(path.name) and time.time() - path.lstat().st_mtime > SCRATCH_SECONDS:
                    yield path


def _old_makings() -> Iterator[Path]:
    inside = _in_use()
    for kind, pattern in KINDS.items():
        sets: dict[str, list[Path]] = {}
        for path in _entries(cache_root() / kind):
            match = re.fullmatch(pattern, path.name)
            if match:
                sets.setdefault(match["set"], []).append(path)
        for makings in sets.values():
            for path in sorted(makings, key=_age)[GENERATIONS:]:
                if _age(path) > IDLE_SECONDS and path not in inside:
                    yield path


def _in_use() -> set[Path]:
    """The makings that are layers of a mounted machine, or whose programs a lab has links to."""
    found = set()
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        options = line.partition(" - ")[2].split()[-1].split(",")
        for option in options:
            name, _, layers = option.partition("=")
            # Newer kernels name each layer by an option of its own.
            if name in {"lowerdir", "lowerdir+"}:
                found |= {Path(layer) for layer in layers.split(":")}
    with contextlib.suppress(OSError):
        for link in STATE_ROOT.glob("*/bin/*"):
            if link.is_symlink():
                found.add(link.readlink().parent)
    return found


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
        # Files that came along with a set's programs.
        shutil.rmtree(path.with_name(f"{path.name}.files"), ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    _mark(path).unlink(missing_ok=True)
