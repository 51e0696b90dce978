"""The file system layers of the bench's machines: a `k3s` that reports its version, and python3 for ansible."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lab import base_tree, toolchain
from lab.cache import used
from lab.layer import ensure_layer
from lab.progress import step
from lab.settings import cache_root


def ensure(*, python: bool) -> list[Path]:
    """The layers, topmost first, built where they are missing.

    Raises:
        LabError: packages or programs cannot be installed or built.
    """
    programs = toolchain.ensure(["k3s"])
    found = [ensure_layer({"k3s": programs["k3s"]})]
    return [_python(base_tree.ensure_base_tree()), *found] if python else found


def _python(base: Path) -> Path:
    """Debian's python3 and its dependencies, without the files that the base tree already has."""
    key = hashlib.sha256(f"{base} {Path(__file__).read_text()}".encode()).hexdigest()[:16]
    target = cache_root() / "layers" / key
    if target.exists():
        return used(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="making-", dir=target.parent))
    try:
        with step("machine image: python3 for the guide's ansible"):
            tree, layer = scratch / "tree", scratch / "layer"
            base_tree.bootstrap(tree, ["python3"], "--variant=extract")
            for source, inside in _files(tree):
                if not os.path.lexists(base / inside):
                    (layer / inside).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(source, layer / inside, follow_symlinks=False)
            _compile(layer)
        base_tree.settle(layer, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return used(target)


def _files(tree: Path) -> Iterator[tuple[Path, Path]]:
    """The tree's programs and libraries, each with its path in a tree whose /lib is a link to /usr/lib."""
    for top in ("usr", "bin", "sbin", "lib", "lib64"):
        if (tree / top).is_symlink():
            continue
        for path in (tree / top).rglob("*"):
            if path.is_symlink() or path.is_file():
                inside = path.relative_to(tree)
                yield path, inside if top == "usr" else "usr" / inside


def _compile(layer: Path) -> None:
    """Compile the library as the package's own script does, so that a machine's first run is not slower than others."""
    for library in (layer / "usr/lib").glob("python3.*"):
        command = ["/usr/bin/python3", "-m", "compileall", "-q", "-s", str(layer), "-p", "/", str(library)]
        subprocess.run(command, check=False, capture_output=True)
