"""The lab's programs, built once from the Go modules below lab/tools and cached under a digest of their inputs.

    ensure(["k3s", "metallb"])    {"k3s": PATH, "metallb-controller": PATH, "metallb-speaker": PATH}

`python -m lab.toolchain [NAME...]` does the same and prints one line for each program.
"""

import contextlib
import fcntl
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lab.build_queue import BuildQueue
from lab.cache import used
from lab.go_compiler import Go, find_go
from lab.progress import step
from lab.settings import LabError, cache_root
from lab.tool_sets import SETS, TOOLS_FOLDER, ModuleFile, ToolSet, find, place

PULUMI_SETS = ("pulumi", "pulumi-language")
PULUMI_MINIMUM = (3, 259, 0)
PULUMI_HOST = "pulumi-language-python"
_QUEUE = BuildQueue()


@dataclass(frozen=True, slots=True)
class Build:
    """A set and the directory for its programs."""

    tool_set: ToolSet
    target: Path

    @property
    def is_done(self) -> bool:
        """Whether the programs exist; the directory is renamed into place, so it is complete or absent."""
        return self.target.is_dir()


def ensure(names: Sequence[str]) -> dict[str, Path]:
    """Build the named sets (or the sets of the named programs) where they are missing and return their programs.

    The user's own `pulumi` is preferred to a build if it is new enough.

    Args:
        names: names of sets or of programs; either selects the whole set.

    Returns:
        The path of every program of those sets, by its name.

    Raises:
        LabError: a name is unknown, there is no Go compiler, or a build fails.
    """
    wanted = find(names)
    programs: dict[str, Path] = {}
    if any(tool_set.name in PULUMI_SETS for tool_set in wanted):
        installed = installed_pulumi(os.environ.get("PATH", ""))
        if installed:
            programs.update(installed)
            wanted = [tool_set for tool_set in wanted if tool_set.name not in PULUMI_SETS]
    if not wanted:
        return programs
    go = _go()
    # The targets are computed once, since an edit of the sources during a build would change them.
    builds = [Build(tool_set, home(tool_set, go)) for tool_set in wanted]
    missing = [build for build in builds if not build.is_done]
    if missing:
        _build_all(missing, go)
    for build in builds:
        used(build.target)
        programs.update({name: build.target / name for name in build.tool_set.names})
    return programs


def module_file(set_name: str, module: str, path: str) -> Path:
    """A file from a Go module that a set is built from, as a copy in the lab's cache that outlives Go's own cache.

    Args:
        set_name: the set whose go.mod fixes the module's version.
        module: the module's path, such as `go.universe.tf/metallb`.
        path: the file's path in the module.

    Raises:
        LabError: the module cannot be downloaded, or has no such file.
    """
    go = _go()
    tool_set = find([set_name])[0]
    built = home(tool_set, go)
    copy = built.with_name(f"{built.name}.files") / module.replace("/", "_") / path
    if not copy.exists():
        source = _module_source(ModuleFile(tool_set.folder, module, path), go)
        copy.parent.mkdir(parents=True, exist_ok=True)
        _copy_whole(source, copy)
    return copy


def home(tool_set: ToolSet, go: Go) -> Path:
    """The directory of the set's programs; its name contains the digest of their inputs."""
    return cache_root() / "tools" / f"{tool_set.name}-{tool_set.digest(go.version)}"


def installed_pulumi(path: str) -> dict[str, Path]:
    """The user's own engine and Python language host on `path`; empty if one is missing or the engine is too old."""
    engine = shutil.which("pulumi", path=path)
    if not engine:
        return {}
    # An upstream release has its language hosts in the engine's real directory, even if PATH leads to a link.
    beside = os.pathsep.join((str(Path(engine).parent), str(Path(engine).resolve().parent), path))
    programs = {name: shutil.which(name, path=beside) for name in (PULUMI_HOST, f"{PULUMI_HOST}-exec")}
    version = _pulumi_version(engine)
    if version < PULUMI_MINIMUM or not all(programs.values()):
        return {}
    return {"pulumi": Path(engine), **{name: Path(found) for name, found in programs.items() if found}}


def _pulumi_version(engine: str) -> tuple[int, ...]:
    environment = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        done = subprocess.run(
            [engine, "version"], env=environment, capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    match = re.match(r"v?(\d+)\.(\d+)\.(\d+)", done.stdout.strip())
    return tuple(map(int, match.groups())) if match else ()


@functools.cache
def _go() -> Go:
    return find_go()


def _build_all(missing: Sequence[Build], go: Go) -> None:
    """Build several sets, in the order of `SETS`, while the code of the next ones is downloaded."""
    ordered = sorted(missing, key=lambda build: place(build.tool_set))
    fetched = {build.tool_set.name: threading.Event() for build in ordered}
    with ThreadPoolExecutor(max_workers=len(ordered) + 1) as pool:
        fetching = pool.submit(_fetch_all, [build.tool_set for build in ordered], fetched, go)
        building = [pool.submit(_build_in_turn, build, fetched[build.tool_set.name], go) for build in ordered]
        for future in (fetching, *building):
            future.result()


def _fetch_all(tool_sets: Sequence[ToolSet], fetched: Mapping[str, threading.Event], go: Go) -> None:
    try:
        for tool_set in tool_sets:
            _fetch(tool_set, go)
            fetched[tool_set.name].set()
    finally:
        # After a failed download the builds must start too: they fail in the same way and report it.
        for event in fetched.values():
            event.set()


def _fetch(tool_set: ToolSet, go: Go) -> None:
    # Listing downloads only the modules that will be compiled; `go mod download` would fetch the SDKs of whole clouds.
    flags = [argument for argument in tool_set.arguments() if argument.startswith("-tags=")]
    listing = ["list", "-deps", *flags, "--", *tool_set.programs.values()]
    try:
        go.run(listing, tool_set.module)
    except LabError:
        # One lost connection must not fail the whole run; a second failure is reported.
        go.run(listing, tool_set.module)


def _build_in_turn(build: Build, fetched: threading.Event, go: Go) -> None:
    with _QUEUE.turn(place(build.tool_set)), step(f"building {build.tool_set.name}"):
        fetched.wait()
        with _locked(build.tool_set):
            if not build.is_done:
                _build(build.tool_set, build.target, go)


def _build(tool_set: ToolSet, target: Path, go: Go) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{tool_set.name}-") as scratch:
        output = Path(scratch) / "out"
        built = Path(scratch) / "built"
        built.mkdir()
        packages = list(dict.fromkeys(tool_set.programs.values()))
        go.run(["build", *tool_set.arguments(), "-o", f"{output}/", "--", *packages], tool_set.module)
        for name, package in tool_set.programs.items():
            (output / package.rsplit("/", 1)[-1]).rename(built / name)
        for name, file in tool_set.files.items():
            _copy_whole(_module_source(file, go), built / name)
        for program in built.iterdir():
            # Any user of a machine must be able to run it, whatever the umask is here.
            program.chmod(0o755)
        built.rename(target)


def _module_source(file: ModuleFile, go: Go) -> Path:
    folder = TOOLS_FOLDER / file.folder
    described = json.loads(go.run(["mod", "download", "-json", file.module], folder))
    source = Path(described["Dir"]) / file.path
    if not source.is_file():
        message = f"Go module {file.module} {described.get('Version')} has no file {file.path}"
        raise LabError(message)
    return source


def _copy_whole(source: Path, target: Path) -> None:
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copyfile(source, beside)
    beside.replace(target)


@contextlib.contextmanager
def _locked(tool_set: ToolSet) -> Iterator[None]:
    """Keep a second run from building the same set at the same time: it waits and then finds the set built."""
    folder = cache_root() / "tools"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f".{tool_set.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(arguments: Sequence[str]) -> int:
    """Build the named sets, or all of them, and print the name and path of each program."""
    try:
        programs = ensure(arguments or list(SETS))
    except LabError as error:
        print(f"toolchain: {error}", file=sys.stderr)
        return 1
    for name, path in sorted(programs.items()):
        print(f"{name}\t{path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
