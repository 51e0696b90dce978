"""The order in which this process builds programs: at most two at once, the most urgent of those that wait next.

Two, because each build has phases (one big package, linking) that keep only one core busy. One order for the whole
process, because `up` learns late that a plugin must be built, while others already wait.
"""

import bisect
import contextlib
import threading
from collections.abc import Iterator
from typing import Final

AT_ONCE: Final = 2


class BuildQueue:
    """Gives turns to threads that want to build."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[int] = []
        self._running = 0

    @property
    def waiting(self) -> list[int]:
        """The places that wait for their turn, the most urgent first."""
        with self._changed:
            return list(self._waiting)

    @contextlib.contextmanager
    def turn(self, place: int) -> Iterator[None]:
        """Wait for a turn, and hold it within the block; the lowest `place` is the most urgent."""
        with self._changed:
            bisect.insort(self._waiting, place)
            self._changed.wait_for(lambda: self._running < AT_ONCE and self._waiting[0] == place)
            self._waiting.remove(place)
            self._running += 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()
