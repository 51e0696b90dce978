"""The root file system that all machines share: a minimal Debian or Ubuntu tree, built once and kept in the cache."""

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lab.cache import used
from lab.progress import step
from lab.settings import LAB_FOLDER, LabError, cache_root

# No python3: nodes need none, and the scripts that run on nodes must work without it.
PACKAGES = (
    "busybox-static",
    "ca-certificates",
    "conntrack",
    "containernetworking-plugins",
    "curl",
    "etcd-server",
    "iproute2",
    "iptables",
    "kmod",
    "openssh-server",
    "procps",
    "runc",
    "sudo",
    "systemd",
    "systemd-sysv",
)
MACHINE_FILES = LAB_FOLDER / "machine_files"
HOOK = LAB_FOLDER / "base-tree.sh"


def _release() -> str:
    """The host's release name, such as bookworm; the host's mirrors for it are known to work."""
    return platform.freedesktop_os_release().get("VERSION_CODENAME", "")


def files_digest(*paths: Path) -> str:
    """One hash over the files at and below `paths`: names, executable bits and contents."""
    digest = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                digest.update(f"{file.relative_to(path)}\0{bool(file.stat().st_mode & 0o100)}\0".encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def open_to_all(folder: Path) -> None:
    """Let every user read the files in `folder`: they come from a checkout, whose modes follow its owner's umask."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def tree_path() -> Path:
    """The tree's path in the cache, whether it exists or not; its name changes with everything that goes into it."""
    what = "\n".join([_release(), platform.machine(), *PACKAGES, files_digest(MACHINE_FILES), files_digest(HOOK)])
    return cache_root() / "trees" / hashlib.sha256(what.encode()).hexdigest()[:16]


def _sources(release: str) -> str:
    """The distribution's own package sources from this host's apt configuration, without those of third parties."""
    query = [
        "apt-get",
        "indextargets",
        "--format",
        "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)",
        "Created-By: Packages",
    ]
    listed = subprocess.run(query, capture_output=True, text=True, check=True).stdout
    lines = []
    for line in listed.splitlines():
        words = line.split()
        if len(words) == 4 and words[3] in {"Debian", "Ubuntu"} and words[1].startswith(release):  # noqa: PLR2004 four fields asked for
            lines.append(f"deb {words[0]} {words[1]} {words[2]}")
    return "\n".join(dict.fromkeys(lines)) + "\n"


def settle(made: Path, target: Path) -> None:
    """Move a finished directory to its place in the cache; one that another run has put there meanwhile is kept."""
    try:
        made.rename(target)
    except OSError:
        if not target.is_dir():
            raise


def bootstrap(tree: Path, packages: Sequence[str], *options: str) -> None:
    """Create the directory `tree` from Debian or Ubuntu packages with mmdebstrap, passing it `options`.

    Raises:
        LabError: the packages cannot be installed, or the release is unknown.
    """
    release = _release()
    if not release:
        message = "/etc/os-release names no VERSION_CODENAME, so no Debian or Ubuntu release to build machines from"
        raise LabError(message)
    # mmdebstrap gets a mount namespace of its own: a killed one leaves this computer's /sys and /dev/shm mounted in the
    # tree, and deleting the scratch directory would then delete their contents.
    command = ["unshare", "--mount", "mmdebstrap", f"--include={','.join(packages)}", *options]
    sources = _sources(release)
    # Where apt has fetched no index yet, mmdebstrap uses the mirrors that it knows for the release.
    command += [release, str(tree), "-"] if sources.strip() else [release, str(tree)]
    done = subprocess.run(
        command,
        input=sources,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MACHINE_FILES": str(MACHINE_FILES)},
        umask=0o022,
    )
    if done.returncode:
        message = f"{', '.join(packages)}: mmdebstrap ended with {done.returncode}:\n{done.stderr.strip()[-2000:]}"
        raise LabError(message)


def _build(target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="making-", dir=target.parent))
    tree = scratch / "tree"
    try:
        bootstrap(tree, PACKAGES, "--variant=minbase", f"--customize-hook={HOOK}")
        settle(tree, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def ensure_base_tree() -> Path:
    """The tree's directory, built first where it is missing (about 25 s, 300 MB).

    Raises:
        LabError: the packages cannot be installed, or the release is unknown.
    """
    target = tree_path()
    if not target.exists():
        with step("machine image: a minimal Debian tree"):
            _build(target)
    return used(target)
