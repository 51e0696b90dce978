"""Measures from the engine's event log when each resource's operation began and ended.

The log's time stamps are whole seconds, so the log is a pipe and an event's time is the time of its arrival.
"""

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

COMMAND = "command:remote:Command"


class EventLog:
    """Reads the event log of one run of the CLI."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._events: list[tuple[float, str]] = []

    @contextlib.contextmanager
    def reading(self) -> Iterator[list[str]]:
        """Record each event's arrival while the block runs; yields the arguments for the CLI."""
        self.path.unlink(missing_ok=True)
        os.mkfifo(self.path)
        reader = threading.Thread(target=self._read)
        reader.start()
        try:
            yield ["--event-log", str(self.path)]
        finally:
            # If the CLI ended before it opened the log, the reader still waits for a writer.
            with contextlib.suppress(OSError):
                os.close(os.open(self.path, os.O_WRONLY | os.O_NONBLOCK))
            reader.join()

    def _read(self) -> None:
        with self.path.open() as pipe:
            for line in pipe:
                self._events.append((time.monotonic(), line))

    def node_part(self) -> float:
        """Seconds from the start of the first command to the end of the last; 0 when none ran."""
        times = [moment for moment, line in self._events if _is_step(json.loads(line))]
        return max(times) - min(times) if times else 0.0


def _is_step(event: dict[str, Any]) -> bool:
    """Whether the event is a command's start or end; unchanged commands have events too and do not count."""
    step = event.get("resourcePreEvent") or event.get("resOutputsEvent") or {}
    metadata = step.get("metadata", {})
    return str(metadata.get("type", "")).endswith(COMMAND) and metadata.get("op") != "same"
