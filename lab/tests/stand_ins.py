"""An engine with the plugins of a computer that cannot download them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from lab.engine import Engine
from lab.plugin_store import Origin, Plugin, PluginStore

WITHOUT_DOWNLOADS: Final[Mapping[str, Origin]] = {"kubernetes": "upstream", "tls": "stand-in", "command": "stand-in"}
"""The plugins of such a computer."""


def engine_with_stand_ins(state: Path) -> Engine:
    """The real CLI with these plugins in `state`, whatever plugins the user of this computer has."""
    made = replace(Engine.at(state), cache=state / "cache")
    store = PluginStore(made.home, made.venv, made.cache, [])
    # The engine's default store would also search the user's own Pulumi home.
    made.__dict__["_store"] = store
    for plugin in store.wanted():
        refuse(made.cache, plugin)
    assert made.install_plugins() == WITHOUT_DOWNLOADS
    return made


def refuse(cache: Path, plugin: Plugin) -> None:
    """Record a refused download, so that the store does not try one."""
    folder = cache / "refused-plugins"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / plugin.folder).touch()
