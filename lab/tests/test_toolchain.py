"""Builds of the lab's programs: when a build is stale, when it is reused, and the errors when something is missing.

Real Go compiles a small module; only the list of sets is exchanged for it.
"""

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from lab import tool_sets, toolchain
from lab.go_compiler import Go
from lab.settings import LabError
from lab.tests.go import compiler, executable
from lab.tool_sets import SETS, ModuleFile, ToolSet, find

MAIN = 'package main\n\nimport "fmt"\n\nfunc main() { fmt.Println("one") }\n'


def _pulumi(folder: Path, version: str, *, host: bool = True) -> None:
    executable(folder / "pulumi", f"echo {version}\n")
    if host:
        executable(folder / "pulumi-language-python", "")
        executable(folder / "pulumi-language-python-exec", "")


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module with one program, `hello`, as the only tool set; a cache of its own."""
    go = compiler()
    folder = tmp_path / "tools"
    (folder / "hello").mkdir(parents=True)
    (folder / "go.mod").write_text("module lab.test/tools\n\ngo 1.26.0\n")
    (folder / "go.sum").write_text("")
    (folder / "hello" / "main.go").write_text(MAIN)
    script = ModuleFile(".", "lab.test/other", "run.sh")
    sets = {
        "hello": ToolSet("hello", ".", {"hello": "./hello"}, sources=("hello",)),
        "scripted": ToolSet("scripted", ".", {"again": "./hello"}, sources=("hello",), files={"run": script}),
    }
    monkeypatch.setattr(tool_sets, "SETS", sets)
    monkeypatch.setattr(tool_sets, "TOOLS_FOLDER", folder)
    monkeypatch.setattr(toolchain, "TOOLS_FOLDER", folder)
    # Go's own cache is kept, or each test would compile the standard library again.
    monkeypatch.setenv("GOCACHE", go.run(["env", "GOCACHE"], folder).strip())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # The new cache has no compiler, so each test would install one.
    monkeypatch.setattr(toolchain, "_go", lambda: go)
    return folder


def _said(program: Path) -> str:
    return subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.usefixtures("module")
def test_a_set_is_built_and_its_program_runs() -> None:
    assert _said(toolchain.ensure(["hello"])["hello"]) == "one"


@pytest.mark.usefixtures("module")
def test_what_was_built_is_not_built_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first = toolchain.ensure(["hello"])

    def build(*_: object) -> None:
        pytest.fail("built again")

    monkeypatch.setattr(toolchain, "_build", build)
    assert toolchain.ensure(["hello"]) == first


def test_a_change_of_the_code_gives_a_new_program(module: Path) -> None:
    first = toolchain.ensure(["hello"])["hello"]
    (module / "hello" / "main.go").write_text(MAIN.replace("one", "two"))
    assert (_said(toolchain.ensure(["hello"])["hello"]), _said(first)) == ("two", "one")


def test_an_edit_during_a_build_does_not_lose_its_result(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = toolchain._build

    def build(tool_set: ToolSet, target: Path, go: Go) -> None:
        real(tool_set, target, go)
        (module / "hello" / "main.go").write_text(MAIN.replace("one", "two"))

    monkeypatch.setattr(toolchain, "_build", build)
    assert _said(toolchain.ensure(["hello"])["hello"]) == "one"


@pytest.mark.usefixtures("module")
def test_two_runs_at_once_build_once(monkeypatch: pytest.MonkeyPatch) -> None:
    real, builds = toolchain._build, list[str]()

    def build(tool_set: ToolSet, target: Path, go: Go) -> None:
        builds.append(tool_set.name)
        real(tool_set, target, go)

    monkeypatch.setattr(toolchain, "_build", build)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(toolchain.ensure, [["hello"], ["hello"]]))
    assert (builds, results[0]) == (["hello"], results[1])


def test_code_that_does_not_compile_is_shown_and_leaves_nothing_behind(module: Path, tmp_path: Path) -> None:
    (module / "hello" / "main.go").write_text("package main\n\nfunc main() { undefined() }\n")
    with pytest.raises(LabError, match=r"main\.go:3:15: undefined: undefined"):
        toolchain.ensure(["hello"])
    left = [path.name for path in (tmp_path / "cache" / "k3s-registry-lab" / "tools").iterdir()]
    assert left == [".hello.lock"]


def test_a_script_of_another_module_comes_beside_the_program(module: Path) -> None:
    other = module / "other"
    other.mkdir()
    (other / "go.mod").write_text("module lab.test/other\n\ngo 1.26.0\n")
    executable(other / "run.sh", "echo script\n").chmod(0o444)
    # `go mod download` does not support a replaced directory, so this test gets the module's path from `go list`.
    source = other / "run.sh"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(toolchain, "_module_source", lambda *_: source)
        programs = toolchain.ensure(["again"])
    assert (_said(programs["run"]), programs["run"].parent) == ("script", programs["again"].parent)


def test_a_program_may_be_asked_for_by_its_own_name() -> None:
    assert [tool_set.name for tool_set in find(["metallb-speaker", "ctr", "containerd"])] == ["metallb", "containerd"]


def test_an_unknown_tool_is_named_with_what_there_is() -> None:
    with pytest.raises(LabError, match=r"tool 'k4s' is not one of the lab's tools: .*k3s"):
        find(["k4s"])


@pytest.mark.parametrize(
    "change",
    [
        {"tags": ("netgo",)},
        {"link_flags": ("-X", "main.version=2")},
        {"programs": {"k3s": "./k3s", "more": "./k3s"}},
    ],
)
def test_a_set_is_told_apart_by_how_it_is_built(change: dict[str, object]) -> None:
    changed = replace(SETS["k3s"], **change)  # type: ignore[arg-type]  # each value fits its field
    assert changed.digest("go1.26.0") != SETS["k3s"].digest("go1.26.0")


def test_another_compiler_makes_another_program() -> None:
    assert SETS["k3s"].digest("go1.26.0") != SETS["k3s"].digest("go1.26.1")


def test_a_change_of_tests_alone_builds_nothing_anew(module: Path) -> None:
    before = find(["hello"])[0].digest("go1.26.0")
    (module / "hello" / "main_test.go").write_text("package main\n")
    assert find(["hello"])[0].digest("go1.26.0") == before


@pytest.mark.parametrize("tool_set", SETS.values(), ids=SETS)
def test_every_module_commits_its_checksums(tool_set: ToolSet) -> None:
    assert (tool_set.module / "go.sum").stat().st_size > 0


SHARED = re.compile(
    r"^\t(golang\.org/x/(?:crypto|net|sys|term|text)|google\.golang\.org/(?:grpc|protobuf)) (\S+)", re.MULTILINE
)
"""The modules below most packages that two sets have in common."""


def test_sets_share_compiled_packages_because_their_modules_agree() -> None:
    # MetalLB builds with the Kubernetes libraries of its time alone, which need modules of that time.
    # The conformance suite, crane and actionlint have nothing in common with the others.
    folders = {tool_set.folder for tool_set in SETS.values()} - {"metallb", "conformance", "crane", "actionlint"}
    versions = {
        folder: dict(SHARED.findall((tool_sets.TOOLS_FOLDER / folder / "go.mod").read_text())) for folder in folders
    }
    assert {folder for folder in folders if versions[folder] != versions["."]} == set()


@pytest.mark.parametrize("version", ["v3.259.0", "v3.272.1", "v4.0.0", "3.259.0-dev.0"])
def test_a_new_enough_pulumi_on_the_path_is_used(tmp_path: Path, version: str) -> None:
    _pulumi(tmp_path, version)
    assert toolchain.installed_pulumi(str(tmp_path)) == {
        name: tmp_path / name for name in ("pulumi", "pulumi-language-python", "pulumi-language-python-exec")
    }


@pytest.mark.parametrize("version", ["v3.258.9", "v2.300.0", "nonsense"])
def test_an_older_pulumi_is_not_used(tmp_path: Path, version: str) -> None:
    _pulumi(tmp_path, version)
    assert toolchain.installed_pulumi(str(tmp_path)) == {}


def test_a_pulumi_without_its_python_host_is_not_used(tmp_path: Path) -> None:
    _pulumi(tmp_path, "v3.272.0", host=False)
    assert toolchain.installed_pulumi(str(tmp_path)) == {}


def test_a_linked_pulumi_has_its_hosts_where_the_link_points(tmp_path: Path) -> None:
    _pulumi(tmp_path / "opt", "v3.272.0")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pulumi").symlink_to(tmp_path / "opt" / "pulumi")
    found = toolchain.installed_pulumi(str(tmp_path / "bin"))
    assert found["pulumi-language-python"] == tmp_path / "opt" / "pulumi-language-python"


def test_no_compiler_is_needed_where_pulumi_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _pulumi(tmp_path, "v3.272.0")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def no_go() -> Go:
        pytest.fail("asked for a compiler")

    monkeypatch.setattr(toolchain, "_go", no_go)
    assert toolchain.ensure(["pulumi", "pulumi-language"])["pulumi"] == tmp_path / "pulumi"
