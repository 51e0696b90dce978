"""The cache's clean-up: it keeps the two newest builds of each kind, and no leftovers of killed commands."""

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
"""A build used this recently is always kept: another command may be about to use it again."""

KINDS = {
    "tools": r"(?P<set>[a-z0-9-]+)-[0-9a-f]{16}",
    "trees": r"(?P<set>)[0-9a-f]{16}",
    "layers": r"(?P<set>)[0-9a-f]{16}",
    "images": r"(?P<set>.+)-[0-9a-f]{16}\.tar",
    "k3s": r"(?P<set>)v[0-9].*",
}
"""The cache's directories, and the pattern of the names of the builds in them."""

SCRATCH = {
    ".": re.compile(r"\.go-.{8}"),
    "tools": re.compile(r"\.[a-z0-9-]+-[a-z0-9_]{8}"),
    "trees": re.compile(r"making-.{8}"),
    "layers": re.compile(r"making-.{8}"),
    "images": re.compile(r"making-.{8}"),
    "k3s": re.compile(r"making-.{8}"),
}


def used(path: Path) -> Path:
    """Record that the build at `path` is in use, so that it counts as recent; returns `path`."""
    mark = _mark(path)
    with contextlib.suppress(OSError):
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    return path


def prune() -> list[Path]:
    """Remove old builds and old scratch files, but nothing that a lab uses; returns the removed paths."""
    gone = []
    for path in (*_old_scratch(), *_old_builds()):
        _remove(path)
        gone.append(path)
    return gone


def _mark(path: Path) -> Path:
    # The mark lies apart from the build: touching a tree would change a layer under a running machine.
    return cache_root() / "used" / path.parent.name / path.name


def _age(path: Path) -> float:
    """Seconds since the build was last used, or created if its last use is unknown."""
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


def _old_builds() -> Iterator[Path]:
    inside = _in_use()
    for kind, pattern in KINDS.items():
        sets: dict[str, list[Path]] = {}
        for path in _entries(cache_root() / kind):
            match = re.fullmatch(pattern, path.name)
            if match:
                sets.setdefault(match["set"], []).append(path)
        for builds in sets.values():
            for path in sorted(builds, key=_age)[GENERATIONS:]:
                if _age(path) > IDLE_SECONDS and path not in inside:
                    yield path


def _in_use() -> set[Path]:
    """The builds that are layers of a mounted machine, or whose programs a lab links to."""
    found = set()
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        options = line.partition(" - ")[2].split()[-1].split(",")
        for option in options:
            name, _, layers = option.partition("=")
            # Newer kernels list each layer in a separate option.
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
        # Files from Go modules that were copied for a set of programs.
        shutil.rmtree(path.with_name(f"{path.name}.files"), ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    _mark(path).unlink(missing_ok=True)
