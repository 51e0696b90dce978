import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab import needs, packages, packet_filter
from lab.packages import Package
from lab.settings import PROJECT, LabError

MANY = 1 << 10
NOBODY_ELSE = 61234


def test_without_root_nothing_else_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert [lack.need for lack in needs.lacks()] == ["root"]


def test_another_system_than_linux_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    (lack,) = needs.lacks()
    assert (lack.need, "Darwin" in lack.remedy) == ("a Linux computer", True)


def test_each_lack_is_one_sentence_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(needs, "MEMORY_GIB", 1 << 20)
    monkeypatch.setattr(needs, "STATE_GIB", 1 << 20)
    monkeypatch.setattr(needs, "INOTIFY_LAB", 1 << 62)
    monkeypatch.setattr(needs, "_succeeds", lambda *_: False)
    found = {lack.need: str(lack) for lack in needs.lacks()}
    assert {"namespaces", "overlay mounts", "memory", "disk space", "inotify instances"} <= set(found)
    assert all("\n" not in text and ": " in text for text in found.values())


def test_a_kernel_without_the_packet_filter_is_named_with_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(packet_filter, "refusal", lambda: "Operation not supported")
    (text,) = [str(lack) for lack in needs.lacks() if lack.need == "packet filter"]
    assert "(Operation not supported)" in text
    assert "modprobe -a nft_chain_nat" in text


@pytest.mark.parametrize(("gib", "instances", "fits"), [(4, 106, True), (3.9, 106, False), (4, 105, False)])
def test_two_labs_need_room_for_both(
    monkeypatch: pytest.MonkeyPatch, gib: float, instances: int, *, fits: bool
) -> None:
    monkeypatch.setattr(needs, "INOTIFY_LAB", 44)
    monkeypatch.setattr(needs, "_available_memory", lambda: gib * needs.GIB)
    monkeypatch.setattr(needs, "inotify_free", lambda most: min(most, instances))
    assert needs.has_room_for(2) is fits


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user who has no other instances")
def test_instances_that_a_process_shares_with_its_child_count_once() -> None:
    """A process that was just forked shows its parent's files as its own."""

    def taken_by_five() -> int:
        os.setuid(NOBODY_ELSE)
        before, instances = needs.inotify_free(MANY), [needs.create_inotify() for _ in range(5)]
        with subprocess.Popen(["sleep", "60"], pass_fds=instances) as heir:
            after = needs.inotify_free(MANY)
            heir.kill()
        return before - after

    child = os.fork()
    if child == 0:
        os._exit(taken_by_five())
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5


def test_no_more_instances_are_asked_for_than_needed() -> None:
    assert needs.inotify_free(2) == 2


def test_packages_that_are_there_are_not_installed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("something was run"))
    packages.ensure_packages((Package("coreutils", "sh", "is everywhere"),))


def test_a_missing_package_is_named_with_its_reason_to_who_is_not_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("platform.freedesktop_os_release", lambda: {"ID": "debian"})
    with pytest.raises(LabError, match=r"thing \(does something\).*apt-get install thing"):
        packages.ensure_packages((Package("thing", "no-such-program", "does something"),))


def test_another_distribution_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.freedesktop_os_release", lambda: {"ID": "fedora", "ID_LIKE": ""})
    with pytest.raises(LabError, match=r"neither Debian nor Ubuntu.*thing"):
        packages.ensure_packages((Package("thing", "no-such-program", "does something"),))


def test_ubuntus_derivatives_count_as_debian(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.freedesktop_os_release", lambda: {"ID": "mint", "ID_LIKE": "ubuntu debian"})
    monkeypatch.setattr("os.geteuid", lambda: 0)
    asked: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    packages.ensure_packages((Package("thing", "no-such-program", "does something"),))
    assert asked == [[str(packages.INSTALL), "thing"]]


def test_the_nearest_existing_folder_stands_for_one_that_is_not_there_yet(tmp_path: Path) -> None:
    assert needs._existing(tmp_path / "a" / "b") == tmp_path


@pytest.mark.skipif(bool(needs.lacks()), reason="cgroups can be created only where the lab can be carried")
def test_several_processes_may_ask_at_once() -> None:
    asking = "from lab import needs; print([needs._cgroups() for _ in range(300)].count(None))"
    runs = [
        subprocess.Popen([sys.executable, "-c", asking], stdout=subprocess.PIPE, text=True, cwd=PROJECT)
        for _ in range(4)
    ]
    assert [run.communicate()[0] for run in runs] == ["300\n"] * 4
