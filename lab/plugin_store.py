"""The provider plugins of a PULUMI_HOME: upstream's where they can be had, otherwise the lab's stand-ins.

Upstream's are downloaded. Where that is refused, the one whose code is a Go module is built, and the others have
stand-ins.
"""

import contextlib
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Final, Literal

from lab import toolchain
from lab.plugin_download import Download
from lab.settings import LAB_FOLDER, PROJECT, LabError

Origin = Literal["upstream", "stand-in"]

DISTRIBUTIONS: Final = {"kubernetes": "pulumi_kubernetes", "tls": "pulumi_tls", "command": "pulumi_command"}
"""Each plugin's name and the SDK distribution whose installed version it must match."""

BUILT: Final = {"kubernetes": "pulumi-kubernetes"}
"""The plugins that can be built, and the set of tools that each is."""

POLL_SECONDS: Final = 0.1
REFUSAL_SECONDS: Final = 24 * 3600.0
_LAUNCHER: Final = LAB_FOLDER / "plugins" / "launcher.sh"
_MARK: Final = "stand-in"
_BUILT_MARK: Final = "built"


def user_homes() -> list[Path]:
    """The PULUMI_HOMEs in which the user may have plugins."""
    own = os.environ.get("PULUMI_HOME")
    return [*([Path(own)] if own else []), Path.home() / ".pulumi"]


@dataclass(frozen=True)
class Plugin:
    """A plugin at the version that the installed SDK requires."""

    name: str
    version: str

    @property
    def folder(self) -> str:
        """The plugin's folder below `plugins`."""
        return f"resource-{self.name}-v{self.version}"

    @property
    def program(self) -> str:
        """The file that the engine starts."""
        return f"pulumi-resource-{self.name}"


@dataclass(frozen=True)
class PluginStore:
    """The plugins of one PULUMI_HOME.

    Attributes:
        home: the PULUMI_HOME.
        venv: the virtual environment with the SDKs; it also runs the stand-ins.
        cache: the directory that records refused downloads for a day, for all labs.
        user_homes: the user's PULUMI_HOMEs, from which plugins are linked; nothing is ever written there.
    """

    home: Path
    venv: Path
    cache: Path
    user_homes: Sequence[Path]

    def wanted(self) -> list[Plugin]:
        """The plugins that the SDKs in the virtual environment require.

        Raises:
            LabError: an SDK is not installed.
        """
        places = [str(path) for path in self.venv.glob("lib/python3*/site-packages")]
        found = []
        for name, distribution in DISTRIBUTIONS.items():
            installed = next(iter(distributions(name=distribution, path=places)), None)
            if installed is None:
                message = f"{distribution} is not installed in {self.venv}: pip install -r requirements.txt"
                raise LabError(message)
            found.append(Plugin(name, installed.version))
        return found

    def origins(self) -> dict[str, Origin]:
        """The installed plugins and the origin of each."""
        return {plugin.name: self._origin(plugin) for plugin in self.wanted() if self._program(plugin).exists()}

    def install(self, pulumi: Path, environment: Mapping[str, str]) -> dict[str, Origin]:
        """Install every missing plugin and return the origin of each.

        Args:
            pulumi: the CLI, called at most once a day to download missing plugins.
            environment: the environment of that call.

        Raises:
            LabError: a plugin could be neither downloaded nor built.
        """
        missing = [plugin for plugin in self.wanted() if not self._is_release(plugin) and not self._link(plugin)]
        asked = [plugin for plugin in missing if not self._refused(plugin)]
        if asked:
            self._download(asked, pulumi, environment)
        for plugin in missing:
            if self._is_release(plugin):
                continue
            if plugin.name in BUILT:
                self._build(plugin)
            else:
                self._stand_in(plugin)
        return self.origins()

    def _program(self, plugin: Plugin) -> Path:
        return self.home / "plugins" / plugin.folder / plugin.program

    def _origin(self, plugin: Plugin) -> Origin:
        return "stand-in" if self._program(plugin).with_name(_MARK).exists() else "upstream"

    def _is_release(self, plugin: Plugin) -> bool:
        """Whether upstream's own build of the wanted version is installed."""
        return self._program(plugin).exists() and not self._is_marked(self._program(plugin).parent)

    @staticmethod
    def _is_marked(folder: Path) -> bool:
        return any((folder / mark).exists() for mark in (_MARK, _BUILT_MARK))

    def user_home(self, plugin: Plugin) -> Path | None:
        """The first of the user's homes that has upstream's build of the plugin, or None."""
        for home in self.user_homes:
            source = home / "plugins" / plugin.folder
            if (source / plugin.program).exists() and not self._is_marked(source):
                return home
        return None

    def _link(self, plugin: Plugin) -> bool:
        home = self.user_home(plugin)
        if home is None:
            return False
        # The engine ignores linked directories, but the files in a real one may be links.
        folder = self._cleared(plugin)
        for file in (home / "plugins" / plugin.folder).iterdir():
            (folder / file.name).symlink_to(file.absolute())
        return True

    def _build(self, plugin: Plugin) -> None:
        built = toolchain.ensure([BUILT[plugin.name]])[plugin.program]
        program = self._program(plugin)
        if program.with_name(_BUILT_MARK).exists() and program.resolve() == built.resolve():
            return
        folder = self._cleared(plugin)
        (folder / _BUILT_MARK).touch()
        # It finds the files beside it through the link.
        program.symlink_to(built)

    def _refusal(self, plugin: Plugin) -> Path:
        return self.cache / "refused-plugins" / plugin.folder

    def _refused(self, plugin: Plugin) -> bool:
        try:
            age = time.time() - self._refusal(plugin).stat().st_mtime
        except FileNotFoundError:
            return False
        return 0 <= age < REFUSAL_SECONDS

    def _download(self, plugins: Sequence[Plugin], pulumi: Path, environment: Mapping[str, str]) -> None:
        clean = {
            key: value for key, value in environment.items() if key != "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"
        }
        self.home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.home, prefix=".downloads-") as scratch:
            downloads = {plugin: self._start(plugin, pulumi, clean, Path(scratch)) for plugin in plugins}
            while [download for download in downloads.values() if download.is_running()]:
                time.sleep(POLL_SECONDS)
        for plugin, download in downloads.items():
            # A stalled download is not recorded: a connection that broke is no refusal.
            if not self._is_release(plugin) and not download.has_stalled:
                refusal = self._refusal(plugin)
                refusal.parent.mkdir(parents=True, exist_ok=True)
                refusal.touch()

    def _start(self, plugin: Plugin, pulumi: Path, environment: Mapping[str, str], scratch: Path) -> Download:
        self._cleared(plugin).rmdir()
        folder = scratch / plugin.name
        folder.mkdir()
        call = subprocess.Popen(
            [pulumi, "plugin", "install", "resource", plugin.name, f"v{plugin.version}", "--non-interactive"],
            # The CLI downloads to a temporary file first; in a directory of its own the file can be seen growing.
            env={**environment, "TMPDIR": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return Download(call, (folder, self.home / "plugins" / plugin.folder))

    def _stand_in(self, plugin: Plugin) -> None:
        settings = {"python": self.venv / "bin" / "python", "checkout": PROJECT, "plugin": plugin.name}
        mark = "".join(f"{key}={shlex.quote(str(value))}\n" for key, value in settings.items())
        program, launcher = self._program(plugin), _LAUNCHER.read_bytes()
        with contextlib.suppress(FileNotFoundError):
            if program.with_name(_MARK).read_text() == mark and program.read_bytes() == launcher:
                return
        folder = self._cleared(plugin)
        (folder / _MARK).write_text(mark)
        beside = folder / f"{plugin.program}.new"
        beside.write_bytes(launcher)
        beside.chmod(0o755)
        beside.replace(program)

    def _cleared(self, plugin: Plugin) -> Path:
        folder = self.home / "plugins" / plugin.folder
        shutil.rmtree(folder, ignore_errors=True)
        for suffix in (".partial", ".lock"):
            folder.with_name(folder.name + suffix).unlink(missing_ok=True)
        folder.mkdir(parents=True)
        return folder
