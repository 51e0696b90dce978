import os
import time
from pathlib import Path

import pytest

from lab import plugin_download, toolchain
from lab.plugin_store import DISTRIBUTIONS, REFUSAL_SECONDS, Origin, Plugin, PluginStore
from lab.settings import PROJECT, LabError
from lab.tests.stand_ins import WITHOUT_DOWNLOADS

REFUSING = """#!/bin/sh
echo "$@" >>"$CALLS"
exit 1
"""
DOWNLOADING = """#!/bin/sh
echo "$@" >>"$CALLS"
folder=$PULUMI_HOME/plugins/resource-$4-$5
mkdir -p "$folder"
: >"$folder/pulumi-resource-$4"
"""


@pytest.fixture(autouse=True)
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the toolchain builds; a real build takes minutes."""
    program = tmp_path / "tools/pulumi-resource-kubernetes"
    program.parent.mkdir()
    program.write_text("built")
    monkeypatch.setattr(toolchain, "ensure", lambda names: {program.name: program} if names else {})
    return program


def new_store(folder: Path) -> PluginStore:
    return PluginStore(folder / "home", PROJECT / ".venv", folder / "cache", [folder / "user"])


def install(store: PluginStore, folder: Path, cli: str = REFUSING) -> tuple[dict[str, Origin], int]:
    """The origins, and the number of calls of the CLI."""
    pulumi, calls = folder / "pulumi", folder / "calls"
    pulumi.write_text(cli)
    pulumi.chmod(0o755)
    calls.write_text("")
    environment = {**os.environ, "CALLS": str(calls), "PULUMI_HOME": str(store.home)}
    origins = store.install(pulumi, environment)
    return origins, len(calls.read_text().splitlines())


def program(home: Path, plugin: Plugin) -> Path:
    return home / "plugins" / plugin.folder / plugin.program


def test_where_downloads_are_refused_one_plugin_is_built_and_the_others_have_stand_ins(
    tmp_path: Path, built: Path
) -> None:
    store = new_store(tmp_path)
    assert install(store, tmp_path) == (WITHOUT_DOWNLOADS, 3)
    kubernetes = next(plugin for plugin in store.wanted() if plugin.name == "kubernetes")
    assert program(store.home, kubernetes).resolve() == built


def test_another_build_takes_the_place_of_the_former(tmp_path: Path, built: Path) -> None:
    store = new_store(tmp_path)
    install(store, tmp_path)
    newer = built.rename(built.with_name("newer"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(toolchain, "ensure", lambda _: {built.name: newer})
        assert install(store, tmp_path) == (WITHOUT_DOWNLOADS, 0)
    kubernetes = next(plugin for plugin in store.wanted() if plugin.name == "kubernetes")
    assert program(store.home, kubernetes).resolve() == newer


def test_a_release_is_preferred_to_a_build(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    install(store, tmp_path)
    kubernetes = next(plugin for plugin in store.wanted() if plugin.name == "kubernetes")
    source = program(tmp_path / "user", kubernetes)
    source.parent.mkdir(parents=True)
    source.write_text("release")
    install(store, tmp_path)
    assert program(store.home, kubernetes).read_text() == "release"


def test_a_refusal_is_remembered_for_a_day_for_every_lab(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    install(store, tmp_path)
    other = PluginStore(tmp_path / "other-home", store.venv, store.cache, [])
    assert install(other, tmp_path) == (WITHOUT_DOWNLOADS, 0)
    yesterday = time.time() - REFUSAL_SECONDS - 1
    for file in (store.cache / "refused-plugins").iterdir():
        os.utime(file, (yesterday, yesterday))
    assert install(store, tmp_path) == (WITHOUT_DOWNLOADS, 3)


def test_a_download_is_used_and_not_asked_for_again(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    upstream = dict.fromkeys(DISTRIBUTIONS, "upstream")
    assert install(store, tmp_path, DOWNLOADING) == (upstream, 3)
    assert install(store, tmp_path, DOWNLOADING) == (upstream, 0)


def test_a_plugin_of_the_user_is_linked_and_nothing_is_asked_or_written(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    theirs = next(plugin for plugin in store.wanted() if plugin.name == "tls")
    source = program(tmp_path / "user", theirs)
    source.parent.mkdir(parents=True)
    source.write_text("upstream")
    assert install(store, tmp_path) == ({**WITHOUT_DOWNLOADS, "tls": "upstream"}, 2)
    assert program(store.home, theirs).read_text() == "upstream"
    assert not program(store.home, theirs).parent.is_symlink()  # the engine overlooks linked folders
    assert [path.name for path in source.parent.iterdir()] == [theirs.program]


def test_a_release_takes_the_place_of_a_stand_in_once_the_user_has_it(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    install(store, tmp_path)
    for plugin in store.wanted():
        source = program(tmp_path / "user", plugin)
        source.parent.mkdir(parents=True)
        source.write_text("upstream")
    assert install(store, tmp_path) == (dict.fromkeys(DISTRIBUTIONS, "upstream"), 0)


def test_versions_are_those_of_the_installed_sdks(tmp_path: Path) -> None:
    versions = {plugin.name: plugin.version for plugin in new_store(tmp_path).wanted()}
    assert versions.keys() == DISTRIBUTIONS.keys()
    assert all(version[0].isdigit() for version in versions.values())


def test_nothing_to_do_asks_nobody_and_writes_nothing(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    install(store, tmp_path)
    written = {plugin: program(store.home, plugin).stat().st_mtime_ns for plugin in store.wanted()}
    store.install(tmp_path / "no-such-cli", {})
    assert {plugin: program(store.home, plugin).stat().st_mtime_ns for plugin in store.wanted()} == written


def test_another_virtual_environment_gets_launchers_of_its_own(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    install(store, tmp_path)
    moved = tmp_path / "it's moved"
    moved.symlink_to(PROJECT / ".venv")
    install(PluginStore(store.home, moved, store.cache, []), tmp_path)
    for plugin in store.wanted():
        if store.origins()[plugin.name] == "upstream":
            continue
        mark = program(store.home, plugin).with_name("stand-in").read_text()
        assert "it'\"'\"'s moved/bin/python" in mark


def test_a_missing_sdk_is_named_with_the_remedy(tmp_path: Path) -> None:
    store = PluginStore(tmp_path, tmp_path / "empty", tmp_path, [])
    with pytest.raises(LabError, match=r"pulumi_kubernetes is not installed .* pip install -r requirements\.txt"):
        store.wanted()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin_download, "STALL_SECONDS", 1.0)


@pytest.mark.usefixtures("impatient")
def test_a_slow_download_may_go_on_as_long_as_it_grows(tmp_path: Path) -> None:
    growing = "for part in 1 2 3 4 5 6 7 8 9 10 11 12; do echo $part >>$TMPDIR/download; sleep 0.2; done\n"
    store = new_store(tmp_path)
    slow = DOWNLOADING.replace("folder=", growing + "folder=")
    assert install(store, tmp_path, slow) == (dict.fromkeys(DISTRIBUTIONS, "upstream"), 3)


@pytest.mark.usefixtures("impatient")
def test_a_download_that_breaks_off_is_asked_for_again_next_time(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    breaking = REFUSING.replace("exit 1", "echo part >$TMPDIR/download; exec sleep 60")
    assert install(store, tmp_path, breaking) == (WITHOUT_DOWNLOADS, 3)
    assert install(store, tmp_path, breaking) == (WITHOUT_DOWNLOADS, 3)


@pytest.mark.usefixtures("impatient")
def test_a_download_that_never_begins_counts_as_refused(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    silent = REFUSING.replace("exit 1", "exec sleep 60")
    assert install(store, tmp_path, silent) == (WITHOUT_DOWNLOADS, 3)
    assert install(store, tmp_path, silent) == (WITHOUT_DOWNLOADS, 0)
    assert [path.name for path in store.home.iterdir()] == ["plugins"]
