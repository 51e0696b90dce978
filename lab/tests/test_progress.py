"""The display of long steps, on a terminal and elsewhere."""

import io
import json
import threading
from pathlib import Path

import pytest

from lab.progress import Board, Durations, duration


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Clock:
    """A clock that only moves when the test moves it."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def durations(tmp_path: Path) -> Durations:
    return Durations(tmp_path / "cache" / "durations.json")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that asks for no colours and names an ordinary terminal."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (10.0, "10 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (220, "3 min 40 s")],
)
def test_a_duration_reads_like_speech(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_first_run_says_when_a_step_begins_and_how_long_it_took(durations: Durations, clock: Clock) -> None:
    stream = io.StringIO()
    with Board(stream, durations, clock=clock).step("building k3s"):
        clock.now += 220
    assert stream.getvalue() == "... building k3s\nok  building k3s (3 min 40 s)\n"


def test_a_second_run_says_how_long_the_step_usually_takes(durations: Durations, clock: Clock) -> None:
    with Board(io.StringIO(), durations, clock=clock).step("building k3s"):
        clock.now += 220
    stream = io.StringIO()
    with Board(stream, durations, clock=clock).step("building k3s"):
        pass
    assert stream.getvalue().splitlines()[0] == "... building k3s (usually 3 min 40 s)"


def test_a_failed_step_is_marked_and_not_remembered(durations: Durations, clock: Clock) -> None:
    stream = io.StringIO()

    @Board(stream, durations, clock=clock).step("building k3s")
    def fail() -> None:
        clock.now += 3
        message = "broken"
        raise ValueError(message)

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert stream.getvalue().splitlines()[-1] == "ERR building k3s (failed after 3.0 s)"
    assert durations.usual("building k3s") is None


def test_a_long_step_gives_a_sign_of_life_every_half_minute(durations: Durations, clock: Clock) -> None:
    stream = io.StringIO()
    board = Board(stream, durations, clock=clock)
    with board.step("building k3s"):
        for _ in range(64):
            clock.now += 1
            board.tick()
    beats = [line.strip() for line in stream.getvalue().splitlines() if line.startswith("    ")]
    assert beats == ["building k3s: 30 s", "building k3s: 1 min 0 s"]


def test_no_control_characters_go_to_a_file(durations: Durations, clock: Clock) -> None:
    stream = io.StringIO()
    board = Board(stream, durations, clock=clock)
    with board.step("outer"), board.step("inner"):
        board.tick()
    assert "\x1b" not in stream.getvalue()
    assert "\r" not in stream.getvalue()


@pytest.mark.usefixtures("plain")
def test_a_terminal_shows_elapsed_and_usual_time_in_one_live_line(durations: Durations, clock: Clock) -> None:
    durations.remember("building k3s", 220)
    stream = Terminal()
    board = Board(stream, durations, clock=clock, width=80)
    with board.step("building k3s"):
        clock.now += 42
        board.tick()
        assert stream.getvalue().endswith("\r\x1b[2K... building k3s (42 s, usually 3 min 40 s)")


@pytest.mark.usefixtures("plain")
def test_a_narrow_terminal_keeps_the_live_line_on_one_line(durations: Durations, clock: Clock) -> None:
    stream = Terminal()
    board = Board(stream, durations, clock=clock, width=30)
    with board.step("a step whose name is longer than the terminal is wide"):
        clock.now += 1
        board.tick()
    assert max(len(part.removeprefix("\x1b[2K")) for part in stream.getvalue().split("\r")[:-1]) < 30


def test_colours_are_for_terminals_that_want_them(
    durations: Durations, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with Board(stream, durations, clock=clock, width=80).step("step"):
        pass
    assert "\x1b[32m" in stream.getvalue()


@pytest.mark.usefixtures("plain")
def test_no_color_is_honoured(durations: Durations, clock: Clock) -> None:
    stream = Terminal()
    with Board(stream, durations, clock=clock, width=80).step("step"):
        pass
    assert "\x1b[3" not in stream.getvalue()


@pytest.mark.usefixtures("plain")
def test_two_steps_at_once_share_the_live_line(durations: Durations, clock: Clock) -> None:
    stream = Terminal()
    board = Board(stream, durations, clock=clock, width=80)
    with board.step("one"), board.step("two"):
        board.tick()
        assert stream.getvalue().endswith("... one (0.0 s)  |  two (0.0 s)")


def test_parallel_steps_all_get_their_lines(durations: Durations) -> None:
    stream = io.StringIO()
    board = Board(stream, durations)
    barrier = threading.Barrier(4)

    def work(name: str) -> None:
        barrier.wait()
        with board.step(name):
            barrier.wait()

    threads = [threading.Thread(target=work, args=(f"step {i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = stream.getvalue().splitlines()
    assert sorted(lines[:4]) == [f"... step {i}" for i in range(4)]
    assert sorted(line.split(" (")[0] for line in lines[4:]) == [f"ok  step {i}" for i in range(4)]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"step": "soon"}'])
def test_a_spoilt_record_counts_as_none(durations: Durations, content: str) -> None:
    durations.path.parent.mkdir()
    durations.path.write_text(content)
    assert durations.usual("step") is None


def test_a_record_is_readable_by_others(durations: Durations) -> None:
    durations.remember("one", 1.26)
    durations.remember("two", 2.0)
    assert json.loads(durations.path.read_text()) == {"one": 1.3, "two": 2.0}


def test_a_record_that_cannot_be_written_stops_nobody(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "file").write_text("in the way")
    stream = io.StringIO()
    with Board(stream, Durations(tmp_path / "file" / "durations.json"), clock=clock).step("step"):
        pass
    assert stream.getvalue().splitlines()[-1] == "ok  step (0.0 s)"


@pytest.mark.usefixtures("plain")
def test_a_line_of_its_own_does_not_tear_the_live_line(durations: Durations, clock: Clock) -> None:
    stream = Terminal()
    board = Board(stream, durations, clock=clock, width=80)
    with board.step("step"):
        board.say("a word")
        assert stream.getvalue().endswith("\r\x1b[2Ka word\n\r\x1b[2K... step (0.0 s)")
