"""The choice of the K3s that a lab runs."""

import stat
from pathlib import Path

import pytest

from lab import k3s, lifecycle, settings
from lab.k3s import K3s
from lab.settings import Lab, LabError
from lab.shape import Shape

REAL = "k3s version v1.34.4+k3s1 (c6017918)\ngo version go1.24.12\n"
LOOK_ALIKE = REAL.replace("c6017918", "lab")


def binary(path: Path, says: str = REAL) -> Path:
    path.write_text(f"#!/bin/sh\nprintf '%s' '{says}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab that was never started, with a state of its own."""
    monkeypatch.setattr(settings, "STATE_ROOT", tmp_path / "states")
    found = Lab("neverwas")
    found.state.mkdir(parents=True)
    return found


def test_a_real_k3s_brings_all_its_programs_itself(tmp_path: Path) -> None:
    found = K3s.ask(binary(tmp_path / "k3s"))
    assert found.programs({}) == {"k3s": tmp_path / "k3s"}
    assert k3s.tools(found) == ()


def test_the_look_alike_under_another_path_needs_containerd_beside_it(tmp_path: Path) -> None:
    found = K3s.ask(binary(tmp_path / "mine", LOOK_ALIKE))
    assert k3s.tools(found) == ("containerd", "containerd-shim-runc-v2", "ctr")
    assert set(found.programs(dict.fromkeys(k3s.tools(found), tmp_path))) == set(k3s.LOOK_ALIKE)


def test_containerds_settings_are_imported_by_a_template_where_k3s_imports_nothing_itself(tmp_path: Path) -> None:
    files = K3s.ask(binary(tmp_path / "k3s")).containerd_files("/data")
    assert files["/data/config-v3.toml.tmpl"] == (
        'imports = ["/data/config-v3.toml.d/*.toml"]\n{{ template "base" . }}\n'
    )
    assert "restrict_oom_score_adj = true" in files["/data/config-v3.toml.d/lab.toml"]


def test_a_k3s_that_imports_further_files_gets_no_template(tmp_path: Path) -> None:
    newer = K3s.ask(binary(tmp_path / "k3s", REAL.replace("v1.34.4", "v1.36.0")))
    assert list(newer.containerd_files("/data")) == ["/data/config-v3.toml.d/lab.toml"]


@pytest.mark.parametrize("release", ["v1.30.14+k3s1", "v1.31.5+k3s1", "v1.32.1+k3s1"])
def test_a_k3s_with_containerd_1_is_refused(tmp_path: Path, release: str) -> None:
    old = binary(tmp_path / "k3s", REAL.replace("v1.34.4+k3s1", release))
    with pytest.raises(LabError, match=r"has containerd 1; .*: use v1\.31\.6, v1\.32\.2 or newer"):
        K3s.ask(old)


def test_another_program_is_refused_with_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="--version says 'hello'; a K3s says"):
        K3s.ask(binary(tmp_path / "k3s", "hello\n"))


def test_a_binary_that_does_not_run_here_is_refused(tmp_path: Path) -> None:
    foreign = tmp_path / "k3s"
    foreign.write_bytes(b"\x7fELF foreign")
    foreign.chmod(0o755)
    with pytest.raises(LabError, match=r"does not run: .* for this computer's processor"):
        K3s.ask(foreign)


def test_a_choice_that_is_neither_file_nor_release_is_refused(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"K3S=.*/v1\.34: this is neither a file nor a release such as"):
        k3s.find(lab, str(tmp_path / "v1.34"))


def test_a_choice_by_a_relative_path_means_the_same_file_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary(tmp_path / "k3s")
    monkeypatch.chdir(tmp_path)
    assert k3s.name_choice("k3s") == str(tmp_path / "k3s")


def test_a_lab_keeps_its_own_copy_of_a_binary_that_changes_later(lab: Lab, tmp_path: Path) -> None:
    chosen = binary(tmp_path / "k3s")
    k3s.install(lab, k3s.find(lab, str(chosen)), {})
    chosen.unlink()
    again = k3s.find(lab, str(chosen))
    assert again is not None
    assert again.binary.read_text().startswith("#!/bin/sh")


def test_a_binary_that_nobody_may_execute_is_executable_on_the_machines(lab: Lab, tmp_path: Path) -> None:
    chosen = K3s.ask(binary(tmp_path / "k3s"))
    chosen.binary.chmod(0o700)
    assert stat.S_IMODE(k3s.install(lab, chosen, {}).binary.stat().st_mode) == 0o755


def test_kubectl_on_the_lan_unpacks_nothing_on_this_computer(lab: Lab, tmp_path: Path) -> None:
    k3s.install(lab, K3s.ask(binary(tmp_path / "k3s")), {})
    assert f"K3S_DATA_DIR={lab.state}/k3s\n" in (lab.programs / "kubectl").read_text()


def _shape(lab: Lab, choice: str | None, *, bare: bool = False) -> Shape:
    return lifecycle._shape(lab, bare=bare, coredns=True, choice=choice)


def test_a_second_up_without_a_choice_keeps_the_first_one(lab: Lab, tmp_path: Path) -> None:
    chosen = str(binary(tmp_path / "k3s"))
    _shape(lab, chosen).keep(lab)
    assert _shape(lab, None).k3s == chosen
    assert _shape(lab, chosen).k3s == chosen


@pytest.mark.parametrize("first", [None, "v1.33.9+k3s1"])
def test_another_k3s_for_a_running_lab_is_refused(lab: Lab, tmp_path: Path, first: str | None) -> None:
    _shape(lab, first).keep(lab)
    with pytest.raises(LabError, match="a lab keeps its K3s; stop it first with make down LAB=neverwas"):
        _shape(lab, str(binary(tmp_path / "k3s")))


def test_a_bare_lab_with_a_k3s_is_refused(lab: Lab) -> None:
    with pytest.raises(LabError, match="a bare lab has no K3s; leave out one of both"):
        _shape(lab, "v1.34.4+k3s1", bare=True)
