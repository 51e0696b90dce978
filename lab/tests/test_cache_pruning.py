import os
import time
from pathlib import Path

import pytest

from lab import cache

HOUR = 3600.0


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(cache, "STATE_ROOT", tmp_path / "states")
    return tmp_path / "k3s-registry-lab"


def _made(path: Path, hours_ago: float) -> Path:
    path.mkdir(parents=True)
    (path / "content").write_text("content")
    then = time.time() - hours_ago * HOUR
    os.utime(path, (then, then))
    return path


def _makings(root: Path, kind: str, prefix: str = "") -> list[Path]:
    """Three builds of one kind, the newest first."""
    return [_made(root / kind / f"{prefix}{number:016x}", hours) for number, hours in enumerate((2, 3, 4))]


@pytest.mark.parametrize(("kind", "prefix"), [("tools", "k3s-"), ("trees", ""), ("layers", "")])
def test_the_two_newest_makings_of_a_thing_are_kept(root: Path, kind: str, prefix: str) -> None:
    newest, second, oldest = _makings(root, kind, prefix)
    assert cache.prune() == [oldest]
    assert newest.exists()
    assert second.exists()
    assert not oldest.exists()


def test_the_two_newest_releases_of_k3s_are_kept(root: Path) -> None:
    releases = [_made(root / "k3s" / f"v1.3{number}.4+k3s1", hours) for number, hours in enumerate((2, 3, 4))]
    assert cache.prune() == releases[2:]


def test_each_set_of_programs_has_makings_of_its_own(root: Path) -> None:
    for number, name in enumerate(("k3s", "pulumi", "pulumi-language")):
        _made(root / "tools" / f"{name}-{number:016x}", 5)
    assert cache.prune() == []


def test_use_makes_an_old_making_one_of_the_newest(root: Path) -> None:
    _, second, oldest = _makings(root, "layers")
    cache.used(oldest)
    assert cache.prune() == [second]


def test_what_was_used_within_the_hour_is_kept(root: Path) -> None:
    for making in _makings(root, "layers"):
        cache.used(making)
    assert cache.prune() == []


def test_programs_that_a_lab_links_to_are_kept(root: Path, tmp_path: Path) -> None:
    oldest = _makings(root, "tools", "k3s-")[-1]
    programs = tmp_path / "states" / "dev" / "bin"
    programs.mkdir(parents=True)
    (programs / "kubectl").symlink_to(oldest / "k3s")
    assert cache.prune() == []


def test_files_that_came_with_programs_go_with_them(root: Path) -> None:
    oldest = _makings(root, "tools", "metallb-")[-1]
    files = _made(oldest.with_name(f"{oldest.name}.files"), 4)
    cache.prune()
    assert not files.exists()


@pytest.mark.parametrize(
    "name",
    [
        ".go-abcdefgh",
        "tools/.pulumi-da7p5hr_",
        "trees/making-abcdefgh",
        "layers/making-abcdefgh",
        "images/making-a_bcdefg",
        "k3s/making-abcdefgh",
    ],
)
def test_scratch_goes_after_a_day(root: Path, name: str) -> None:
    young, old = _made(root / name, 23), _made(root / f"{name[:-1]}0", 25)
    assert cache.prune() == [old]
    assert young.exists()


def test_what_has_no_name_of_ours_stays(root: Path) -> None:
    for name in ("mine", "tools/mine", "trees/mine", "images/mine.tar"):
        _made(root / name, 99)
    assert cache.prune() == []
