"""The progress display: each long step, how long it has been running, and how long it usually takes."""

import contextlib
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from lab.settings import cache_root

HEARTBEAT_SECONDS = 30.0
REDRAW_SECONDS = 0.2
SECONDS_PER_MINUTE = 60
FRACTION_BELOW_SECONDS = 10

GREEN, RED, DIM, RESET = "\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[0m"
CLEAR_LINE = "\r\x1b[2K"


def duration(seconds: float) -> str:
    """A duration for people: `0.4 s`, `12 s`, `3 min 40 s`."""
    if seconds < FRACTION_BELOW_SECONDS:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), SECONDS_PER_MINUTE)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class Durations:
    """How long each step took when it last succeeded: seconds by the step's name, in a JSON file.

    It is a convenience only: an unreadable file counts as empty, and a failed write is ignored.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def usual(self, name: str) -> float | None:
        """How many seconds the step took last time, or None if it is not known."""
        return self._read().get(name)

    def remember(self, name: str, seconds: float) -> None:
        """Store `seconds` as the step's usual duration."""
        known = {**self._read(), name: round(seconds, 1)}
        beside = self.path.with_name(f"{self.path.name}.{os.getpid()}.{threading.get_ident()}")
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
            beside.replace(self.path)

    def _read(self) -> dict[str, float]:
        try:
            known = json.loads(self.path.read_text())
        except (OSError, ValueError):
            return {}
        if not isinstance(known, dict):
            return {}
        return {str(name): float(value) for name, value in known.items() if isinstance(value, int | float)}


@dataclass(eq=False)
class Step:
    """A step in progress."""

    name: str
    usual: float | None
    started: float
    next_heartbeat: float = field(init=False)

    def __post_init__(self) -> None:
        self.next_heartbeat = self.started + HEARTBEAT_SECONDS

    @property
    def hint(self) -> str:
        """The text shown beside the name: the usual duration."""
        return "" if self.usual is None else f"usually {duration(self.usual)}"


class Board:
    """Shows all steps of this process on one stream.

    On a terminal one live line shows the steps in progress, and each finished step leaves one line. Elsewhere each
    step prints a line when it begins, when it ends, and every 30 s in between.
    """

    def __init__(
        self,
        stream: TextIO,
        durations: Durations,
        *,
        clock: Callable[[], float] = time.monotonic,
        width: int | None = None,
    ) -> None:
        self._stream = stream
        self._durations = durations
        self._clock = clock
        self._width = width
        self._live = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._colours = self._live and not os.environ.get("NO_COLOR")
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._active: list[Step] = []
        self._ticker: threading.Thread | None = None

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show `name` as in progress while the block runs; store its duration when it succeeds."""
        current = self._begin(name)
        try:
            yield
        except BaseException:
            self._end(current, succeeded=False)
            raise
        self._end(current, succeeded=True)

    def say(self, text: str) -> None:
        """Write a separate line between the steps' lines."""
        with self._lock:
            self._write(text + "\n")
            self._draw()

    def tick(self) -> None:
        """Redraw the live line, or print the heartbeats that are due."""
        with self._lock:
            if self._live:
                self._draw()
                return
            now = self._clock()
            for step in self._active:
                if now >= step.next_heartbeat:
                    step.next_heartbeat = now + HEARTBEAT_SECONDS
                    self._write(f"    {step.name}: {_joined(duration(now - step.started), step.hint)}\n")

    def _begin(self, name: str) -> Step:
        with self._lock:
            current = Step(name, self._durations.usual(name), self._clock())
            self._active.append(current)
            if self._live:
                self._draw()
            else:
                self._write(f"{_bracketed(f'... {name}', current.hint)}\n")
            if self._ticker is None:
                self._ticker = threading.Thread(target=self._keep_ticking, name="progress", daemon=True)
                self._ticker.start()
            self._changed.notify_all()
            return current

    def _end(self, current: Step, *, succeeded: bool) -> None:
        with self._lock:
            self._active.remove(current)
            took = self._clock() - current.started
            if succeeded:
                self._durations.remember(current.name, took)
            mark, colour, words = ("ok ", GREEN, "") if succeeded else ("ERR", RED, "failed after ")
            self._write(f"{self._coloured(colour, mark)} {current.name} ({words}{duration(took)})\n")
            self._draw()

    def _keep_ticking(self) -> None:
        while True:
            with self._lock:
                while not self._active:
                    self._changed.wait()
            time.sleep(REDRAW_SECONDS)
            self.tick()

    def _draw(self) -> None:
        if not self._live or not self._active:
            return
        now = self._clock()
        # An outer step only frames the inner ones; the newest show the actual work.
        parts = [_bracketed(step.name, _joined(duration(now - step.started), step.hint)) for step in self._active]
        width = (self._width or shutil.get_terminal_size().columns) - len("... ") - 1
        line = "  |  ".join(parts)
        while len(line) > width and len(parts) > 1:
            parts.pop(0)
            line = "  |  ".join(parts)
        self._stream.write(f"{CLEAR_LINE}{self._coloured(DIM, '...')} {line[:width]}")
        self._stream.flush()

    def _write(self, text: str) -> None:
        self._stream.write((CLEAR_LINE if self._live else "") + text)
        self._stream.flush()

    def _coloured(self, colour: str, text: str) -> str:
        return f"{colour}{text}{RESET}" if self._colours else text


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _bracketed(text: str, inside: str) -> str:
    return f"{text} ({inside})" if inside else text


_creating = threading.Lock()
_boards: list[Board] = []


def _board() -> Board:
    with _creating:
        if not _boards:
            _boards.append(Board(sys.stderr, Durations(cache_root() / "durations.json")))
        return _boards[0]


def step(name: str) -> contextlib.AbstractContextManager[None]:
    """Show a step on standard error while a `with` block runs, and how long it has been running.

    Steps may be nested and may run in several threads. The usual duration is stored under the step's name.
    """
    return _board().step(name)


def say(text: str) -> None:
    """Write one line on standard error without tearing a live line."""
    _board().say(text)
