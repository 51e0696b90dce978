"""The plugins that the program's own tests get: upstream's where a Pulumi home has them."""

from pathlib import Path

import pytest

from lab.engine import virtual_environment
from lab.plugin_store import DISTRIBUTIONS, PluginStore
from lab.settings import PROJECT
from lab.tests import stand_ins
from lab.tests.stand_ins import WITHOUT_DOWNLOADS, engine_with_plugins_at_hand, plugins_at_hand

PROGRAM = """\
import pulumi_tls

pulumi_tls.PrivateKey("key", algorithm="ED25519")
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only Pulumi home of the user, without plugins."""
    found = tmp_path / "user"
    monkeypatch.setattr(stand_ins, "user_homes", lambda: [found])
    return found


def lay(home: Path, name: str, started: Path) -> None:
    """Put a plugin into the home that looks like upstream's: a program without the mark of a stand-in."""
    python = virtual_environment() / "bin/python"
    store = PluginStore(home, virtual_environment(), home, [])
    plugin = next(plugin for plugin in store.wanted() if plugin.name == name)
    program = home / "plugins" / plugin.folder / plugin.program
    program.parent.mkdir(parents=True)
    script = f'echo started >>"{started}"\nPYTHONPATH="{PROJECT}" exec "{python}" -P -m lab.plugins.{name} "$@"\n'
    program.write_text(f"#!/bin/sh\n{script}")
    program.chmod(0o755)


@pytest.mark.engine
def test_the_engine_starts_the_users_own_plugin(home: Path, tmp_path: Path) -> None:
    started = tmp_path / "started"
    lay(home, "tls", started)
    project = tmp_path / "project"
    project.mkdir()
    (project / "Pulumi.yaml").write_text("name: key\nruntime: python\n")
    (project / "__main__.py").write_text(PROGRAM)

    engine = engine_with_plugins_at_hand(tmp_path / "state")
    engine.ensure_stack("test", project)
    done = engine.run(["up", "--yes", "--skip-preview", "--stack", "test"], project, capture=True, timeout=120)

    assert done.returncode == 0, done.stdout + done.stderr
    assert engine.plugins() == {**WITHOUT_DOWNLOADS, "tls": "upstream"}
    assert started.exists()


def test_the_report_says_where_each_plugin_comes_from(home: Path, tmp_path: Path) -> None:
    lay(home, "tls", tmp_path / "started")
    said = plugins_at_hand()
    assert f"tls (upstream, from {home})" in said
    assert "command (stand-in)" in said
    assert "kubernetes (upstream's, built here)" in said


def test_the_report_says_so_where_a_home_has_everything(home: Path, tmp_path: Path) -> None:
    for name in DISTRIBUTIONS:
        lay(home, name, tmp_path / "started")
    assert plugins_at_hand().count(f"(upstream, from {home})") == len(DISTRIBUTIONS)
