"""The order of builds: at most two at once, the most urgent of those that wait next."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.build_queue import AT_ONCE, BuildQueue
from lab.tests.waiting import wait_until


class Builds:
    """Builds that end when they are told to."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.begun: list[int] = []
        self.end = {place: threading.Event() for place in range(10)}
        self._queue, self._pool = BuildQueue(), pool

    def start(self, place: int) -> None:
        self._pool.submit(self._build, place)

    def wait_for_begun(self, count: int) -> None:
        wait_until(lambda: len(self.begun) == count, 10, f"{count} builds have begun", pause=0.01)

    def wait_for_waiting(self, *places: int) -> None:
        wait_until(lambda: self._queue.waiting == list(places), 10, f"{places} wait", pause=0.01)

    def _build(self, place: int) -> None:
        with self._queue.turn(place):
            self.begun.append(place)
            self.end[place].wait(10)


@pytest.fixture
def builds() -> Iterator[Builds]:
    """Two builds that run, and a place for more."""
    with ThreadPoolExecutor(10) as pool:
        running = Builds(pool)
        for place in range(AT_ONCE):
            running.start(place)
        running.wait_for_begun(AT_ONCE)
        yield running
        for end in running.end.values():
            end.set()


def test_a_third_build_waits_for_an_end(builds: Builds) -> None:
    builds.start(5)
    builds.wait_for_waiting(5)
    assert builds.begun == [0, 1]


def test_the_most_urgent_one_is_next_even_if_it_came_last(builds: Builds) -> None:
    builds.start(5)
    builds.wait_for_waiting(5)
    builds.start(4)
    builds.wait_for_waiting(4, 5)
    builds.end[0].set()
    builds.wait_for_begun(3)
    assert builds.begun[2] == 4


def test_a_failed_build_gives_its_turn_back() -> None:
    queue = BuildQueue()
    for _ in range(AT_ONCE + 1):
        with pytest.raises(ZeroDivisionError), queue.turn(0):
            raise ZeroDivisionError
    assert queue.waiting == []
