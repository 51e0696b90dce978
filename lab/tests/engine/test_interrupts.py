"""An interrupted CLI must be allowed to finish: only then does it save the state and release its lock."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.engine import Engine
from lab.settings import PROJECT, LabError

SAVING = """#!/bin/sh
trap 'echo stopping; sleep 1; echo saving; : >"$PULUMI_HOME/saved"; exit 1' INT
echo started
: >"$PULUMI_HOME/started"
while :; do sleep 0.05; done
"""
TAKING = """#!/bin/sh
echo "$@" >>"$PULUMI_HOME/calls"
"""


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Restore the handling of interrupts: a shell makes background jobs, and so their children, ignore them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def fake(tmp_path: Path) -> Callable[[str], Engine]:
    """An engine whose CLI is the given script."""

    def make(script: str) -> Engine:
        pulumi = tmp_path / "tools" / "pulumi"
        pulumi.parent.mkdir()
        pulumi.write_text(script)
        pulumi.chmod(0o755)
        return Engine(tmp_path, PROJECT / ".venv", (pulumi.parent,))

    return make


def _waits(thread: threading.Thread) -> bool:
    """Whether the thread waits for the CLI: an interrupt before that ends a run that has not begun."""
    frame = sys._current_frames().get(thread.ident or 0)
    while frame is not None and frame.f_code.co_name != "_to_the_end":
        frame = frame.f_back
    return frame is not None


def _interrupt_when(path: Path) -> None:
    """Send SIGINT to this process and to the CLI, as a terminal does on Ctrl-C.

    This process comes first: what the CLI prints while an interrupt is raised here may be lost.
    """
    main = threading.main_thread()
    while not (path.exists() and _waits(main)):
        time.sleep(0.02)
    child = Path(f"/proc/self/task/{main.native_id}/children").read_text().split()
    os.kill(os.getpid(), signal.SIGINT)
    for pid in map(int, child):
        if b"pulumi" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGINT)


@pytest.mark.parametrize("captured", [True, False])
def test_an_interrupt_leaves_only_when_the_cli_has_saved(fake: Callable[[str], Engine], *, captured: bool) -> None:
    engine, lines = fake(SAVING), list[str]()
    thread = threading.Thread(target=_interrupt_when, args=[engine.home / "started"])
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        engine.run(["up"], capture=captured, on_line=None if captured else lines.append)
    thread.join()
    assert (engine.home / "saved").exists()
    assert lines == ([] if captured else ["started", "stopping", "saving"])


@pytest.mark.parametrize("captured", [True, False])
def test_a_time_limit_stops_the_cli_as_an_interrupt_does(fake: Callable[[str], Engine], *, captured: bool) -> None:
    engine, lines = fake(SAVING), list[str]()
    with pytest.raises(subprocess.TimeoutExpired):
        engine.run(["up"], capture=captured, on_line=None if captured else lines.append, timeout=1)
    assert (engine.home / "saved").exists()


def test_a_stack_without_a_lock_is_not_asked_about(fake: Callable[[str], Engine]) -> None:
    engine = fake(TAKING)
    engine.unlock("dev")
    assert not (engine.home / "calls").exists()


@pytest.mark.engine
def test_the_lock_of_a_killed_run_is_taken_away(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: locked\nruntime: python\n")
    engine.ensure_stack("dev", tmp_path)
    lock = engine.backend / ".pulumi/locks/organization/locked/dev/killed.json"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text('{"pid":1,"username":"root","hostname":"here","timestamp":"2026-01-01T00:00:00Z"}')
    engine.unlock("dev", tmp_path)
    assert not lock.exists()


def test_a_lock_that_cannot_be_taken_away_is_an_error(fake: Callable[[str], Engine]) -> None:
    engine = fake("#!/bin/sh\necho 'not today' >&2\nexit 1\n")
    lock = engine.backend / ".pulumi/locks/organization/k3s-registry/dev/killed.json"
    lock.parent.mkdir(parents=True)
    lock.touch()
    with pytest.raises(LabError, match="stack dev could not be removed: not today"):
        engine.unlock("dev")
