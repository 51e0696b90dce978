"""The Debian packages that the lab needs on this computer, installed when their programs are missing."""

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass

from lab.progress import step
from lab.settings import LAB_FOLDER, LabError

INSTALL = LAB_FOLDER / "apt-install.sh"


@dataclass(frozen=True, slots=True)
class Package:
    """A Debian package, a program whose presence proves it, and its purpose in the lab."""

    name: str
    program: str
    why: str


LAB_PACKAGES = (
    Package("iproute2", "ip", "creates the lab's network namespaces"),
    Package("mmdebstrap", "mmdebstrap", "builds the machines' root file system"),
    Package("mount", "mount", "mounts the machines' root file systems"),
    Package("openssh-client", "ssh-agent", "holds the lab's client key"),
    Package("procps", "sysctl", "enables IP forwarding inside the lab"),
    Package("skopeo", "skopeo", "pushes images into the registry from the LAN"),
    Package("systemd-container", "systemd-nspawn", "boots the machines"),
    Package("util-linux", "nsenter", "runs commands inside the lab"),
)
# Some root shells do not have these directories on PATH.
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def missing(packages: tuple[Package, ...] = LAB_PACKAGES) -> list[Package]:
    """Those of `packages` whose program cannot be found."""
    return [package for package in packages if not shutil.which(package.program, path=SEARCH_PATH)]


def _is_debian() -> bool:
    release = platform.freedesktop_os_release()
    return bool({"debian", "ubuntu"} & {release.get("ID", ""), *release.get("ID_LIKE", "").split()})


def ensure_packages(packages: tuple[Package, ...] = LAB_PACKAGES) -> None:
    """Install the missing `packages`, saying which and why; silent when there are none.

    Raises:
        LabError: not root, not Debian or Ubuntu, or apt could not install them.
    """
    wanted = missing(packages)
    if not wanted:
        return
    names = [package.name for package in wanted]
    listing = "; ".join(f"{package.name} ({package.why})" for package in wanted)
    if not _is_debian():
        message = f"this is neither Debian nor Ubuntu: install the equivalents of these yourself: {listing}"
        raise LabError(message)
    if os.geteuid() != 0:
        message = f"missing packages: {listing}; run as root, or: apt-get install {' '.join(names)}"
        raise LabError(message)
    print(f"installing Debian packages: {listing}", flush=True)
    with step(f"packages: {', '.join(names)}"):
        done = subprocess.run([str(INSTALL), *names], check=False)
    if done.returncode:
        message = f"{', '.join(names)} could not be installed: see apt's output above"
        raise LabError(message)
