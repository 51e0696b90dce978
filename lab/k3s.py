"""The K3s of a lab: the look-alike that the lab builds, or a binary in its place."""

import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.k3s_download import RELEASE, ensure_release
from lab.settings import Lab, LabError

LOOK_ALIKE = ("k3s", "containerd", "containerd-shim-runc-v2", "ctr")
"""The look-alike, and the programs that K3s itself contains and the look-alike does not."""
CONTAINERD_2 = {31: 6, 32: 2}
"""The first patch release of a minor one with containerd 2; later minor releases always have it."""
ASK_SECONDS = 60.0
FIRST_WITH_IMPORTS = 36
"""The first minor release whose own configuration of containerd imports further files."""


@dataclass(frozen=True, slots=True)
class K3s:
    """A K3s binary and its own description of itself."""

    binary: Path
    minor: int
    is_look_alike: bool

    @classmethod
    def ask(cls, binary: Path) -> "K3s":
        """Ask the binary which K3s it is.

        Raises:
            LabError: it does not run here, is no K3s, or is one with which the lab cannot work.
        """
        # What K3s unpacks must not stay behind on this computer.
        with tempfile.TemporaryDirectory() as scratch:
            try:
                done = subprocess.run(
                    [str(binary), "--version"],
                    env=_environment(Path(scratch)),
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=ASK_SECONDS,
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                message = f"{binary} does not run: {error}; it must be a K3s binary for this computer's processor"
                raise LabError(message) from None
        match = re.match(r"k3s version (v1\.(\d+)\.(\d+)\S*)( \(lab\))?", done.stdout)
        if not match:
            said = (done.stdout + done.stderr).strip().partition("\n")[0]
            message = f"{binary} --version says {said!r}; a K3s says 'k3s version v1...': give the path of a K3s binary"
            raise LabError(message)
        minor, patch = int(match[2]), int(match[3])
        if minor < min(CONTAINERD_2) or patch < CONTAINERD_2.get(minor, 0):
            message = (
                f"{binary} is K3s {match[1]}, which has containerd 1; the lab needs containerd 2: "
                "use v1.31.6, v1.32.2 or newer"
            )
            raise LabError(message)
        return cls(binary, minor, is_look_alike=match[4] is not None)

    def programs(self, built: Mapping[str, Path]) -> dict[str, Path]:
        """The programs of a machine; `built` holds those of the look-alike, where this is one."""
        companions = LOOK_ALIKE[1:] if self.is_look_alike else ()
        return {"k3s": self.binary, **{name: built[name] for name in companions}}

    def containerd_files(self, folder: str) -> dict[str, str]:
        """The lab's settings of containerd, as files in and below `folder`, where K3s has such settings."""
        imported = f"{folder}/config-v3.toml.d"
        # Some hosts withhold CAP_SYS_RESOURCE; without this every sandbox would fail there.
        settings = "version = 3\n\n[plugins.'io.containerd.cri.v1.runtime']\n  restrict_oom_score_adj = true\n"
        files = {f"{imported}/lab.toml": settings}
        if self.minor < FIRST_WITH_IMPORTS:
            template = f'imports = ["{imported}/*.toml"]\n{{{{ template "base" . }}}}\n'
            files[f"{folder}/config-v3.toml.tmpl"] = template
        return files


def _environment(data_dir: Path) -> dict[str, str]:
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "K3S_DATA_DIR": str(data_dir)}


def name_choice(choice: str) -> str:
    """The user's choice of a K3s in a form that means the same everywhere: a release, or the path of a binary."""
    return choice if RELEASE.fullmatch(choice) else str(Path(choice).resolve())


def find(lab: Lab, choice: str | None) -> K3s | None:
    """The binary of the lab's choice, downloaded if need be; the lab's own copy comes first. None means the look-alike.

    Raises:
        LabError: it cannot be had, or the lab cannot work with it.
    """
    if choice is None:
        return None
    copy = lab.programs / "k3s"
    if copy.exists():
        return K3s.ask(copy)
    if RELEASE.fullmatch(choice):
        return K3s.ask(ensure_release(choice))
    if not Path(choice).is_file():
        message = f"K3S={choice}: this is neither a file nor a release such as v1.34.4+k3s1; give one of both"
        raise LabError(message)
    return K3s.ask(Path(choice))


def tools(chosen: K3s | None) -> tuple[str, ...]:
    """The names of the lab's own programs that machines with this K3s need."""
    if chosen is None:
        return LOOK_ALIKE
    return LOOK_ALIKE[1:] if chosen.is_look_alike else ()


def install(lab: Lab, chosen: K3s | None, built: Mapping[str, Path]) -> K3s:
    """Give the lab its K3s, and the command `kubectl` for use on the LAN; returns the K3s as the lab has it.

    A chosen binary is copied, since its owner may replace it while the lab runs.
    """
    lab.programs.mkdir(exist_ok=True)
    own = lab.programs / "k3s"
    if chosen is None:
        own.unlink(missing_ok=True)
        own.symlink_to(built["k3s"])
        found = K3s.ask(built["k3s"])
    else:
        if not own.exists():
            beside = own.with_name(".k3s.new")
            shutil.copy2(chosen.binary, beside)
            beside.chmod(0o755)
            beside.replace(own)
        found = K3s.ask(own)
    # K3s unpacks its programs when it becomes kubectl, and this computer is no node.
    script = f'#!/bin/sh\nexport K3S_DATA_DIR={shlex.quote(str(lab.state / "k3s"))}\nexec {own} kubectl "$@"\n'
    command = lab.programs / "kubectl"
    command.unlink(missing_ok=True)
    command.write_text(script)
    command.chmod(0o755)
    return found
