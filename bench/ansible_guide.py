"""The guide's method: six ansible ad-hoc commands with ansible's defaults, and an undo, which the guide lacks."""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.authority import Pair
from bench.measurement import Clock
from bench.site import Site
from lab.machines import Machine
from lab.settings import PROJECT, LabError

FILES = Path(__file__).with_name("guide_files")
ENVIRONMENT = PROJECT / ".venv-bench"
CERTIFICATES = "/usr/local/share/ca-certificates"
COMMANDS = (
    ("copy", f"src=registry.crt dest={CERTIFICATES}/registry.crt"),
    ("copy", f"src=registry.key dest={CERTIFICATES}/registry.key"),
    ("shell", "update-ca-certificates"),
    ("copy", "src=hosts dest=/etc/hosts"),
    ("file", "path=/etc/rancher/k3s state=directory"),
    ("copy", "src=registries.yaml dest=/etc/rancher/k3s/registries.yaml"),
)
"""The module and arguments of each command, in the guide's order."""


class Guide:
    """Runs the guide's commands from a directory like that of a user who follows the guide."""

    def __init__(self, site: Site, machines: Sequence[Machine], pair: Pair, folder: Path) -> None:
        self._site, self._machines, self._folder = site, machines, folder
        for name in ("hosts", "registries.yaml"):
            shutil.copy(FILES / name, folder / name)
        (folder / "registry.crt").write_bytes(pair.certificate)
        # The guide copies this key to every node. It signs nothing here and is deleted with the directory.
        (folder / "registry.key").write_bytes(pair.key)
        # Only the host keys are set: the user's own SSH settings are ignored, as they are for the other methods.
        known = f"-F /dev/null -o UserKnownHostsFile={site.known_hosts} -o GlobalKnownHostsFile=/dev/null"
        lines = [f"{m.name} ansible_host={m.place.address} ansible_user=root" for m in machines]
        (folder / "inventory").write_text(
            "\n".join(["[cube]", *lines, "[cube:vars]", f"ansible_ssh_common_args='{known}'"]) + "\n"
        )

    def run(self, clock: Clock) -> None:
        """Run all six commands, one after another.

        Raises:
            LabError: a command failed; the message holds its output.
        """
        environment = {
            **{key: value for key, value in self._site.environment.items() if not key.startswith("ANSIBLE_")},
            "PATH": f"{ENVIRONMENT}/bin:/usr/local/bin:/usr/bin:/bin",
            # A home of its own keeps the user's ansible settings, facts and connections out.
            "HOME": str(self._folder),
            "LC_ALL": "C.UTF-8",
        }
        for module, arguments in COMMANDS:
            command = ["ansible", "cube", "-i", "inventory", "-b", "-m", module, "-a", arguments]
            before_wall, before_cpu = clock.wall, clock.cpu
            with clock.running():
                done = subprocess.run(
                    self._site.lab.in_lan(*command),
                    cwd=self._folder,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    check=False,
                )
            clock.wall, clock.cpu = clock.wall + before_wall, clock.cpu + before_cpu
            if done.returncode:
                message = f"ansible -m {module} -a '{arguments}' failed:\n{done.stdout[-2000:]}{done.stderr[-1000:]}"
                raise LabError(message)

    def keep(self) -> None:
        """Save the files that the commands change on the machines."""
        self._site.each(self._machines, ["sh"], (FILES / "before.sh").read_text())

    def undo(self) -> None:
        """Restore the saved files."""
        self._site.each(self._machines, ["sh"], (FILES / "after.sh").read_text())


def has_ansible() -> bool:
    """Whether ansible is installed; `bench/setup.sh` installs it."""
    return (ENVIRONMENT / "bin" / "ansible").exists()


def working_folder() -> tempfile.TemporaryDirectory[str]:
    """A directory with a short path: ansible creates sockets below it, and their paths have a length limit."""
    return tempfile.TemporaryDirectory(prefix="bench-")
