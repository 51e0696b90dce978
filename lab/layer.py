"""The file system layer with K3s and what the lab's machines need for it; it lies in the cache and serves all labs."""

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from lab.base_tree import files_digest, open_to_all, settle
from lab.cache import used
from lab.settings import LAB_FOLDER, cache_root

FILES = LAB_FOLDER / "cluster_files"
LINKS = ("kubectl", "crictl", "ctr")
"""The names by which K3s's installer makes its command available too."""


def place(source: Path, target: Path) -> None:
    """Hard-link `source` to `target`; copy it where they are on different file systems."""
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copy2(source, target)


def ensure_layer(programs: Mapping[str, Path]) -> Path:
    """The layer with `programs`, the links to K3s beside them, and the lab's own files."""
    stats = [
        f"{name} {path} {path.stat().st_size} {path.stat().st_mtime_ns}" for name, path in sorted(programs.items())
    ]
    key = hashlib.sha256("\n".join([*stats, *LINKS, files_digest(FILES)]).encode()).hexdigest()[:16]
    target = cache_root() / "layers" / key
    if target.exists():
        return used(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="making-", dir=target.parent))
    try:
        layer = scratch / "layer"
        shutil.copytree(FILES, layer)
        folder = layer / "usr/local/bin"
        folder.mkdir(parents=True)
        # Where K3s has no network of its own, its containerd looks here.
        (layer / "opt/cni").mkdir(parents=True)
        (layer / "opt/cni/bin").symlink_to("/usr/lib/cni")
        open_to_all(layer)
        for name, path in programs.items():
            place(path, folder / name)
        for name in LINKS:
            if name not in programs:
                (folder / name).symlink_to("k3s")
        settle(layer, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return used(target)
