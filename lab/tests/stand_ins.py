"""Engines for tests: with the plugins of a computer that cannot download them, or with those that are at hand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from lab.engine import Engine, virtual_environment
from lab.plugin_store import BUILT, Origin, Plugin, PluginStore, user_homes
from lab.settings import LabError

WITHOUT_DOWNLOADS: Final[Mapping[str, Origin]] = {"kubernetes": "upstream", "tls": "stand-in", "command": "stand-in"}
"""The plugins of a computer that cannot download them."""


def engine_with_stand_ins(state: Path) -> Engine:
    """The real CLI with these plugins in `state`, whatever plugins the user of this computer has.

    Their clock can be moved.
    """
    made = _engine(state, [])
    assert made.plugins() == WITHOUT_DOWNLOADS
    return made


def engine_with_plugins_at_hand(state: Path) -> Engine:
    """The real CLI with upstream's plugins where the user's Pulumi home has them, and with these ones otherwise.

    Nothing is downloaded: tests must not depend on the network.
    """
    return _engine(state, user_homes())


def plugins_at_hand() -> str:
    """The plugins that `engine_with_plugins_at_hand` uses, and where each comes from, in one line."""
    store = PluginStore(Path(), virtual_environment(), Path(), user_homes())
    try:
        wanted = store.wanted()
    except LabError as error:
        return f"Pulumi plugins: {error}"
    origins = []
    for plugin in wanted:
        home = store.user_home(plugin)
        made = "upstream's, built here" if plugin.name in BUILT else "stand-in"
        origins.append(f"{plugin.name} ({f'upstream, from {home}' if home else made})")
    return f"Pulumi plugins: {', '.join(origins)}"


def refuse(cache: Path, plugin: Plugin) -> None:
    """Record a refused download, so that the store does not try one."""
    folder = cache / "refused-plugins"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / plugin.folder).touch()


def _engine(state: Path, homes: Sequence[Path]) -> Engine:
    made = replace(Engine.at(state), cache=state / "cache")
    store = PluginStore(made.home, made.venv, made.cache, homes)
    # The engine's default store would always search the user's own Pulumi home.
    made.__dict__["_store"] = store
    for plugin in store.wanted():
        refuse(made.cache, plugin)
    made.install_plugins()
    return made
