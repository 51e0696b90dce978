"""One running machine of the lab: systemd-nspawn boots a whole Debian from the machine's disk."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import network
from lab.cgroups import Group
from lab.disks import SYSTEM_PATH, Disk
from lab.mounts import unmount_below
from lab.settings import LAB_FOLDER, Lab, LabError, MachineName

LEAVES = ("supervisor", "system")
BOOT_SECONDS = 30.0
STOP_SECONDS = 40.0
POWEROFF = signal.SIGRTMIN + 4  # systemd(1): PID 1 powers the machine off on this signal
NSPAWN_RUN = Path("/run/systemd/nspawn")


def _status(pid: int) -> dict[str, str]:
    """The fields of a process's /proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@dataclass(frozen=True, slots=True)
class Machine(Disk):
    """A machine, identified by lab and place. The object stores no state: every answer is read from the system."""

    @property
    def log(self) -> Path:
        """The log of its console."""
        return self.folder / "console.log"

    @property
    def group(self) -> Group:
        """The cgroups that hold its processes."""
        return Group(self.lab, self.name)

    def leader(self) -> int | None:
        """The host's process number of the machine's PID 1, or None when it does not run."""
        depth = len(_status(os.getpid())["NSpid"].split()) + 1
        for pid in self.group.processes():
            with contextlib.suppress(OSError):
                status = _status(pid)
                numbers = status["NSpid"].split()
                # A pod's first process is number 1 too, but one namespace deeper; a zombie has already ended.
                if len(numbers) == depth and numbers[-1] == "1" and status["State"][0] not in "ZX":
                    return pid
        return None

    def is_running(self) -> bool:
        """Whether the machine has a living PID 1."""
        return self.leader() is not None

    def start(self) -> None:
        """Boot the prepared machine, detached from this process; does nothing when it runs."""
        if self.is_running():
            return
        # A crash may have left processes without a PID 1 above them, or the supervisor between two boots.
        self.group.kill()
        network.create_port(self.lab, self.place)
        self.group.create(*LEAVES)
        nspawn = [
            "--quiet",
            "--register=no",
            "--keep-unit",
            "--boot",
            "--settings=no",
            "--link-journal=no",
            "--resolv-conf=off",
            "--timezone=off",
            f"--machine={self.lab.machine_namespace(self.name)}",
            f"--hostname={self.name}",
            f"--directory={self.root}",
            f"--network-namespace-path={network.NETNS / self.lab.machine_namespace(self.name)}",
            "--capability=all",
            "--system-call-filter=@keyring bpf",
            "--bind=/dev/kmsg",
            *(f"--bind={folder}:{target}" for folder, target in self.data_folders.items()),
        ]
        with self.log.open("ab") as log:
            subprocess.run(
                ["setsid", "--fork", str(LAB_FOLDER / "machine.sh"), *map(str, self.group.folders()), "--", *nspawn],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                # The machine may write the kernel's network settings only: the others are the host's own.
                env={"PATH": os.defpath + ":/usr/sbin:/sbin", "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network"},
                check=True,
            )

    def wait_for_ssh(self, seconds: float = BOOT_SECONDS) -> None:
        """Wait until sshd answers on the LAN.

        Raises:
            LabError: it does not answer within `seconds`; the message holds the console's last lines.
        """
        deadline = time.monotonic() + seconds
        while not network.answers(self.lab, self.place.address, 22, expect=b"SSH-"):
            if time.monotonic() > deadline:
                tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-10:]) if self.log.exists() else ""
                fault = f"{self.name}: no sshd on {self.place.address} after {seconds:.0f} s"
                message = f"{fault}; the console's last lines:\n{tail}"
                raise LabError(message)
            time.sleep(0.1)

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Shut the machine down; kill it when that takes longer than `seconds`."""
        leader = self.leader()
        if leader is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(leader, POWEROFF)
            deadline = time.monotonic() + seconds
            while self.group.processes() and time.monotonic() < deadline:
                time.sleep(0.1)
        self.kill()

    def kill(self) -> None:
        """Kill every process of the machine at once, as a power cut would; its disk is kept."""
        self.group.kill()
        shutil.rmtree(NSPAWN_RUN / "propagate" / self.lab.machine_namespace(self.name), ignore_errors=True)
        with contextlib.suppress(OSError):
            root = self.root.stat()
            (NSPAWN_RUN / "locks" / f"inode-{root.st_dev}:{root.st_ino}").unlink()

    def reboot(self) -> None:
        """Boot again as `systemctl reboot` does, and wait until sshd answers from the new boot."""
        before = self.leader()
        if before is None:
            self.start()
        else:
            self.run(["systemctl", "reboot"], check=False)
            deadline = time.monotonic() + STOP_SECONDS
            while self.leader() in {before, None} and time.monotonic() < deadline:
                time.sleep(0.1)
            if not self.is_running():
                self.start()
        self.wait_for_ssh()

    def command(self, command: Sequence[str]) -> list[str]:
        """The command line by which the host runs `command` as root inside the machine, without SSH.

        Raises:
            LabError: the machine does not run.
        """
        leader = self.leader()
        if leader is None:
            message = f"{self.name} does not run: start it with {self.lab.make('up')}"
            raise LabError(message)
        environment = [
            f"PATH={SYSTEM_PATH}",
            "HOME=/root",
            "LANG=C.UTF-8",
        ]
        if "TERM" in os.environ:
            environment.append(f"TERM={os.environ['TERM']}")
        # In the machine's own cgroup, so that processes which the command leaves behind end with the machine.
        return [
            str(LAB_FOLDER / "in-cgroup.sh"),
            *(str(folder / "supervisor") for folder in self.group.folders()),
            "--",
            "nsenter",
            f"--target={leader}",
            "--all",
            "env",
            "--ignore-environment",
            "--chdir=/root",
            *environment,
            *command,
        ]

    def run(
        self, command: Sequence[str], *, stdin: str | None = None, check: bool = True, timeout: float | None = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run `command` as root inside the machine and return its output.

        Raises:
            LabError: the machine does not run.
            subprocess.CalledProcessError: with `check`, the command failed.
            subprocess.TimeoutExpired: it took longer than `timeout` seconds.
        """
        return subprocess.run(
            self.command(command), input=stdin, capture_output=True, text=True, check=check, timeout=timeout
        )

    def remove(self) -> None:
        """Kill the machine and delete all its files, whatever is left of it."""
        self.kill()
        unmount_below(self.folder)
        self.group.remove()
        network.remove_port(self.lab, self.name)
        shutil.rmtree(self.folder, ignore_errors=True)


def machines(lab: Lab) -> list[Machine]:
    """The lab's machines, in order; each has a directory."""
    if not lab.machines_folder.is_dir():
        return []
    places = (MachineName.parse(folder.name) for folder in lab.machines_folder.iterdir() if folder.is_dir())
    return [Machine(lab, place) for place in sorted(places, key=lambda place: place.index)]
