"""A directory that holds programs which belong together but were built apart."""

import shutil
from collections.abc import Mapping
from pathlib import Path


def together(programs: Mapping[str, Path], folder: Path) -> tuple[Path, ...]:
    """A directory that holds all `programs`: their own, or else `folder`, filled here.

    The CLI warns about a language host that is not in its own directory. The links are hard ones, because the CLI
    resolves symbolic links before it looks around.
    """
    if len({path.parent for path in programs.values()}) == 1:
        return (next(iter(programs.values())).parent,)
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in programs.items():
        target = folder / name
        if target.exists() and (target.samefile(path) or _same_copy(path, target)):
            continue
        target.unlink(missing_ok=True)
        try:
            target.hardlink_to(path)
        except OSError:  # the cache is on another file system, or on one without hard links
            shutil.copy2(path, target)
    return (folder,)


def _same_copy(source: Path, copy: Path) -> bool:
    ours, theirs = copy.stat(), source.stat()
    return (ours.st_size, ours.st_mtime_ns) == (theirs.st_size, theirs.st_mtime_ns)
