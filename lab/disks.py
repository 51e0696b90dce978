"""The files of one machine, which are there whether it runs or not: an overlay over the shared base tree, and disks."""

import hashlib
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.host_keys import host_key_line, host_key_pem
from lab.kinds import Kind
from lab.mounts import mounts_below
from lab.settings import Lab, LabError, MachineName

# containerd's snapshots are overlays, and the kubelet measures volumes per file system: both need a real one.
DATA_FOLDERS = {
    "rancher": "/var/lib/rancher",
    "kubelet": "/var/lib/kubelet",
    "local-path": "/opt/local-path-provisioner",
}
PI = 1000
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The search path of a command that runs on the machine as root."""


@dataclass(frozen=True, slots=True)
class Disk:
    """The files of a machine, identified by lab and place."""

    lab: Lab
    place: MachineName

    @property
    def name(self) -> str:
        """The machine's name."""
        return self.place.name

    @property
    def kind(self) -> Kind:
        """The properties in which it differs from other machines."""
        return self.place.kind

    @property
    def folder(self) -> Path:
        """The directory with all files of the machine."""
        return self.lab.machines_folder / self.name

    @property
    def root(self) -> Path:
        """The host's mount point of its root file system."""
        return self.folder / "root"

    @property
    def data_folders(self) -> dict[Path, str]:
        """The host's directories that are mounted on the machine, each with its mount point there."""
        targets = {**DATA_FOLDERS, **({"disk": self.kind.disk} if self.kind.disk else {})}
        return {self.folder / "data" / name: target for name, target in targets.items()}

    def path(self, inside: str) -> Path:
        """The host's path of the file that is `inside` on the machine, whether it runs or not."""
        for folder, target in self.data_folders.items():
            if inside == target or inside.startswith(target + "/"):
                return folder / inside.removeprefix(target).lstrip("/")
        return self.root / inside.lstrip("/")

    def write(self, inside: str, content: str | bytes, *, mode: int = 0o644, owner: int = 0) -> None:
        """Write a file into the machine, atomically, creating the directories above it (0755)."""
        target = self.path(inside)
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.new")
        beside.write_bytes(content.encode() if isinstance(content, str) else content)
        beside.chmod(mode)
        os.chown(beside, owner, owner)
        beside.replace(target)

    def prepare(self, layers: Sequence[Path]) -> None:
        """Mount the root file system over `layers` (topmost first) and give the machine what it has of its own.

        Harmless when it was done before; the upper layer, and with it every change that the machine made, is kept.
        """
        for folder in (*(self.folder / name for name in ("upper", "work", "root")), *self.data_folders):
            folder.mkdir(parents=True, exist_ok=True)
        # Its mode becomes that of the machine's `/`, which all users must be able to enter, whatever the umask is here.
        (self.folder / "upper").chmod(0o755)
        if self.root not in mounts_below(self.root):
            lower = ":".join(str(layer) for layer in layers)
            options = f"lowerdir={lower},upperdir={self.folder}/upper,workdir={self.folder}/work"
            command = ["mount", "-t", "overlay", f"k3slab-{self.lab.name}", "-o", options, str(self.root)]
            self._run(command, "its root file system cannot be mounted")
        # OpenSSH's private format contains a random number: rewriting it would change the file but not the key.
        if not self.path("/etc/ssh/ssh_host_ed25519_key").exists():
            self.write("/etc/ssh/ssh_host_ed25519_key", host_key_pem(self.place), mode=0o600)
        self.write("/etc/ssh/ssh_host_ed25519_key.pub", f"{host_key_line(self.place)} {self.name}\n")
        self.write("/etc/machine-id", hashlib.sha256(f"{self.lab.name} {self.name}".encode()).hexdigest()[:32] + "\n")
        if not (self.folder / "upper/etc/hostname").exists():
            if not self.kind.has_sudo:
                self._purge_sudo()
            self.write("/etc/hosts", f"127.0.0.1\tlocalhost\n127.0.1.1\t{self.name}\n")
            # Last, since it says that the others are done.
            self.write("/etc/hostname", f"{self.name}\n")

    def authorize(self, public_key: str) -> None:
        """Authorize the lab's client key, and no other, for root and `pi`."""
        self.write("/root/.ssh/authorized_keys", public_key, mode=0o600)
        self.write("/home/pi/.ssh/authorized_keys", public_key, mode=0o600, owner=PI)

    def _purge_sudo(self) -> None:
        """Remove sudo by the package manager, so that nothing of it stays; repeating it is harmless."""
        self.path("/etc/sudoers.d/pi").unlink(missing_ok=True)
        # Otherwise the package refuses to go where root has no password.
        settings = {"PATH": SYSTEM_PATH, "DEBIAN_FRONTEND": "noninteractive", "SUDO_FORCE_REMOVE": "yes"}
        self._run(["chroot", str(self.root), "dpkg", "--purge", "sudo"], "sudo cannot be removed", settings)

    def _run(self, command: Sequence[str], failure: str, environment: Mapping[str, str] | None = None) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            message = f"{self.name}: {failure}: {done.stderr.strip()}"
            raise LabError(message)
