"""Watches the processes that a run starts: processor time, memory and open files of engine, program and plugin."""

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ENGINE, PROGRAM, PLUGIN, OTHERS = "engine", "program", "plugin", "others"
_SIGNS: Final[Mapping[str, str]] = {
    "pulumi-language-python-exec": PROGRAM,
    "pulumi-resource-command": PLUGIN,
    "lab.plugins.command": PLUGIN,
    "/pulumi\0up": ENGINE,
}
"""A part of a process's command line, and the role that it shows; the first one counts."""
_SECONDS_BETWEEN: Final = 0.3
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_KILOBYTES: Final = 1024


@dataclass
class Use:
    """What the processes of one role used."""

    cpu: float = 0.0
    """Processor seconds, without those after the last look at each process."""
    megabytes: float = 0.0
    """The greatest resident set of a single process."""
    files: int = 0
    """The greatest number of file descriptors that a single process had open."""

    def largest(self, other: "Use") -> "Use":
        """Each figure of whichever is greater."""
        return Use(max(self.cpu, other.cpu), max(self.megabytes, other.megabytes), max(self.files, other.files))


@dataclass
class Watch:
    """The processes below this one that began after the watch."""

    _of: dict[int, tuple[str, Use]] = field(default_factory=dict)

    def roles(self) -> dict[str, Use]:
        """What each role used: processor time in all, the other figures of its largest process."""
        found: dict[str, Use] = {}
        for role, use in self._of.values():
            known = found.setdefault(role, Use())
            found[role] = Use(known.cpu + use.cpu, max(known.megabytes, use.megabytes), max(known.files, use.files))
        return found

    def look(self, besides: frozenset[int]) -> None:
        """Look once at every process below this one, without those `besides` and below them."""
        children = _children()
        waiting = [pid for pid in children.get(os.getpid(), ()) if pid not in besides]
        while waiting:
            pid = waiting.pop()
            waiting += children.get(pid, ())
            # A process may end at any moment.
            with contextlib.suppress(OSError, IndexError, ValueError):
                before, known = self._of.get(pid, (OTHERS, Use()))
                # A process that has ended but is not yet waited for has no command line.
                role = _role(pid) or before
                self._of[pid] = role, known.largest(_use(Path(f"/proc/{pid}")))


@contextlib.contextmanager
def watching() -> Iterator[Watch]:
    """Watch the processes that start while the block runs."""
    watch, ended = Watch(), threading.Event()
    besides = frozenset(_children().get(os.getpid(), ()))

    def keep_looking() -> None:
        while not ended.wait(_SECONDS_BETWEEN):
            watch.look(besides)

    thread = threading.Thread(target=keep_looking)
    thread.start()
    try:
        yield watch
    finally:
        ended.set()
        thread.join()


def _children() -> dict[int, list[int]]:
    """The processes of this computer by their parent."""
    found: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                found.setdefault(int(_stat(Path(entry.path))[1]), []).append(int(entry.name))
    return found


def _stat(process: Path) -> list[str]:
    """The fields of `stat` from the state on; the name before it may contain anything."""
    return (process / "stat").read_text().rpartition(")")[2].split()


def _use(process: Path) -> Use:
    user, system = _stat(process)[11:13]
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    peak = int(status["VmHWM"].split()[0]) if "VmHWM" in status else 0
    files = sum(1 for _ in (process / "fd").iterdir())
    return Use((int(user) + int(system)) / _TICKS, peak / _KILOBYTES, files)


def _role(pid: int) -> str | None:
    line = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    return next((role for sign, role in _SIGNS.items() if sign in line), None)
