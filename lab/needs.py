"""The requirements of the lab that this computer must meet; each unmet one is a sentence with its remedy."""

import ctypes
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab import cgroups, packet_filter
from lab.settings import STATE_ROOT, cache_root

GIB = 1 << 30
MEMORY_GIB = 2
STATE_GIB = 3
CACHE_GIB = 6
INOTIFY_LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
# With cgroup v2, containerd also watches the cgroups of each pod and its container: on the server, those of four pods.
INOTIFY_SERVER, INOTIFY_MACHINE = (28, 14) if cgroups.is_unified() else (20, 12)
INOTIFY_BARE = 3
INOTIFY_LAB = INOTIFY_SERVER + 2 * INOTIFY_MACHINE


@dataclass(frozen=True, slots=True)
class Lack:
    """An unmet requirement: its name, and the remedy."""

    need: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.need}: {self.remedy}"


def _existing(path: Path) -> Path:
    """The nearest existing directory at or above `path`."""
    while not path.exists():
        path = path.parent
    return path


def _linux() -> str | None:
    if platform.system() == "Linux" and platform.machine() in {"x86_64", "aarch64"}:
        return None
    return f"machines are Linux containers on x86_64 or aarch64, this is {platform.system()} {platform.machine()}"


def is_root() -> bool:
    """Whether this process is root, to whom every lab belongs."""
    return os.geteuid() == 0


def _root() -> str | None:
    return None if is_root() else "mounts, namespaces and machines need root: run the same command with sudo"


def _succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _namespaces() -> str | None:
    if _succeeds("unshare", "--net", "--mount", "--pid", "--fork", "--cgroup", "true"):
        return None
    return (
        "the kernel or the container that this runs in refuses new namespaces (unshare --net --mount --pid --cgroup): "
        "use a virtual machine, or a container started with --privileged"
    )


def _cgroups() -> str | None:
    if not cgroups.MOUNT.is_dir() or not cgroups.hierarchies():
        return f"nothing is mounted on {cgroups.MOUNT}: mount the cgroup file systems first"
    for root in cgroups.hierarchies():
        # Another process may be trying the same at this moment.
        probe = root / f"{cgroups.PARENT}-probe-{os.getpid()}"
        try:
            probe.mkdir(exist_ok=True)
            probe.rmdir()
        except OSError as error:
            fault = f"no cgroup can be created in {root} ({error.strerror})"
            return f"{fault}: use a virtual machine or a --privileged container"
    return None


def _packet_filter() -> str | None:
    words = packet_filter.refusal()
    if words is None:
        return None
    return (
        f"the kernel refuses a chain of type nat in an IPv4 table ({words}), so Services would have no addresses: run "
        "modprobe -a nft_chain_nat nft_compat (for a container, outside of it), or boot the distribution's own kernel; "
        "a container must be started with --privileged"
    )


def _overlay() -> str | None:
    folder = _existing(STATE_ROOT)
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".k3s-registry-lab-") as scratch:
            for name in ("lower", "upper", "work", "root"):
                (Path(scratch) / name).mkdir()
            options = f"lowerdir={scratch}/lower,upperdir={scratch}/upper,workdir={scratch}/work"
            # In a mount namespace of its own, so that no mount is ever left behind.
            if _succeeds("unshare", "--mount", "mount", "-t", "overlay", "overlay", "-o", options, f"{scratch}/root"):
                return None
    except OSError as error:
        return f"{folder} cannot be written ({error.strerror})"
    return f"{folder} cannot be the upper layer of an overlay: put it on a file system such as ext4 or xfs"


def _available_memory() -> int:
    """Bytes that the kernel can give to new processes."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))


def _memory() -> str | None:
    free = _available_memory()
    if free >= MEMORY_GIB * GIB:
        return None
    return f"{free / GIB:.1f} GiB are available, three machines need {MEMORY_GIB}: stop something, or add memory"


def has_room_for(labs: int) -> bool:
    """Whether so many labs of three machines, and a few bare machines, can run here side by side."""
    if _linux():
        return False
    instances = labs * INOTIFY_LAB + 6 * INOTIFY_BARE
    return _available_memory() >= labs * MEMORY_GIB * GIB and inotify_free(instances) == instances


def _disk() -> str | None:
    wanted: dict[int, tuple[Path, int]] = {}
    for path, gib in ((STATE_ROOT, STATE_GIB), (cache_root(), CACHE_GIB)):
        folder = _existing(path)
        # Where both are on one disk, it must hold the sum.
        first, before = wanted.get(folder.stat().st_dev, (folder, 0))
        wanted[folder.stat().st_dev] = (
            first,
            before + (0 if path == cache_root() and (path / "trees").exists() else gib),
        )
    for folder, gib in wanted.values():
        free = shutil.disk_usage(folder).free
        if free < gib * GIB:
            return f"{folder} has {free / GIB:.1f} GiB free, the lab needs {gib}: free some space"
    return None


def create_inotify() -> int:
    """A new inotify instance's file descriptor, or -1 when the kernel grants this user no further one."""
    return int(ctypes.CDLL(None).inotify_init1(os.O_CLOEXEC))


def inotify_free(most: int) -> int:
    """How many further inotify instances, up to `most`, the kernel grants this user: they are created and given back.

    Kubernetes hangs silently when there are none. Open files do not tell: a process that was just forked shows those of
    its parent, so booting machines seem to have many times what they have.
    """
    granted: list[int] = []
    try:
        while len(granted) < most and (instance := create_inotify()) >= 0:
            granted.append(instance)
    finally:
        for instance in granted:
            os.close(instance)
    return len(granted)


def _inotify() -> str | None:
    limit = int(INOTIFY_LIMIT.read_text())
    if limit >= INOTIFY_LAB:
        return None
    return f"the kernel allows {limit}, three machines need {INOTIFY_LAB}: sysctl -w fs.inotify.max_user_instances=512"


NEEDS: tuple[tuple[str, Callable[[], str | None]], ...] = (
    ("a Linux computer", _linux),
    ("root", _root),
    ("namespaces", _namespaces),
    ("cgroups", _cgroups),
    ("packet filter", _packet_filter),
    ("overlay mounts", _overlay),
    ("memory", _memory),
    ("disk space", _disk),
    ("inotify instances", _inotify),
)


def lacks() -> list[Lack]:
    """Every requirement that this computer does not meet; empty when it can carry the lab.

    Without Linux or root the others cannot be checked, so that one is then the only one reported.
    """
    found: list[Lack] = []
    for need, check in NEEDS:
        remedy = check()
        if remedy:
            found.append(Lack(need, remedy))
            if need in {"a Linux computer", "root"}:
                break
    return found
