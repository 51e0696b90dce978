"""A restart of K3s whose run is killed or whose node loses power: the next run finishes or reverts it."""

import contextlib
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.tests.waiting import wait_until
from tests.nodes.scripts.node import CONFIG, HOSTS_TOML, Node, Outcome, dash_only
from tests.nodes.scripts.services import ANEW, NOW, RENEWED, restarts, starts, states
from tests.nodes.scripts.stale_node import (
    FILES,
    JOURNAL,
    LOCK,
    NOTHING,
    RENDERS,
    TOML,
    ended,
    existing,
    ours,
    settle_and_converge,
    settled,
)
from tests.nodes.scripts.test_trust_faults import killing


def killed_during_the_restart(node: Node, ready_seconds: str) -> None:
    """The run is killed when the restart is under way."""
    run = node.start("apply", ready_seconds=ready_seconds)
    wait_until(lambda: restarts(node), 30, "a restart")
    run.kill()
    run.communicate(timeout=30)


@pytest.mark.parametrize(
    ("start", "state"),
    [(NOTHING, "exit 1"), (RENDERS, f'echo "False {NOW} {RENEWED}"')],
    ids=["hangs", "not ready"],
)
def test_the_former_files_are_restored_without_the_run_that_began(stale: Node, start: str, state: str) -> None:
    before = ours(stale)
    starts(stale, start)
    states(stale, state)
    killed_during_the_restart(stale, "2")
    settled(stale)
    assert ours(stale) == before
    assert len(restarts(stale)) == 2
    settle_and_converge(stale)


def test_a_restart_succeeds_without_the_run_that_requested_it(stale: Node) -> None:
    starts(stale, f"sleep 2; {RENDERS}")
    killed_during_the_restart(stale, "30")
    settled(stale)
    assert stale.read(TOML) == HOSTS_TOML.encode()
    settle_and_converge(stale)
    assert len(restarts(stale)) == 1


def test_a_second_run_waits_for_the_restart_and_finds_nothing_to_do(stale: Node) -> None:
    starts(stale, f"sleep 2; {RENDERS}")
    killed_during_the_restart(stale, "30")
    assert (stale.root / LOCK).is_symlink()
    second = stale.run("apply")
    assert second.answer["changed"] is False
    assert len(restarts(stale)) == 1


def test_a_second_run_that_waits_too_long_is_refused(stale: Node) -> None:
    starts(stale, NOTHING)
    first = stale.start("apply", ready_seconds="4")
    wait_until(lambda: restarts(stale), 30, "a restart")
    sentence = stale.run("apply", lock_seconds="1").sentence
    assert "one run at a time" in sentence
    stdout, stderr = first.communicate(timeout=60)
    assert "former files" in Outcome(first.returncode, stdout, stderr).sentence


def power_cut(node: Node) -> None:
    """Every process of the node dies after the restart has been requested, and /run is empty."""
    pid_file = node.root / "tmp/restarting"
    starts(node, f'echo $$ >"{pid_file}"; sleep 5; {RENDERS}')
    run = node.start("apply")
    wait_until(lambda: pid_file.exists() and pid_file.read_text().strip(), 30, "a restart")
    session = os.getsid(int(pid_file.read_text()))
    run.kill()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(int(entry.name)) == session:
                os.kill(int(entry.name), signal.SIGKILL)
    run.communicate(timeout=30)
    for path in (node.root / "run").glob("k3s-registry*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def test_the_next_run_finishes_after_a_power_cut(stale: Node) -> None:
    power_cut(stale)
    assert (stale.root / JOURNAL[1:] / "saved").exists()
    # K3s came up by itself, with the new files.
    stale.write(CONFIG, ANEW)
    assert stale.run("check").answer == {"drift": ["restart"]}
    assert "cut short" in stale.run("apply", rollout="parallel").sentence
    settle_and_converge(stale)


def test_files_from_before_a_power_cut_are_restored(stale: Node) -> None:
    """The next run fails, and restores the files that were in place before the power cut."""
    before = ours(stale)
    power_cut(stale)
    starts(stale, NOTHING)
    assert "former files" in stale.run("apply", ready_seconds="2").sentence
    assert ours(stale) == before


def test_remove_after_a_power_cut_leaves_nothing(stale: Node) -> None:
    before = ours(stale)
    power_cut(stale)
    assert stale.run("remove").status == 0
    assert ours(stale) == before


STEPS = {
    "mkdir": (1,),
    "cp": (1, 2, 4),
    "sync": (1, 4),
    "mv": (1, 3),
    "date": (1,),
    "find": (1, 2),
    "timeout": (1,),
    "rm": (8, 12),
    "sleep": (1,),
}
COMING_BACK: dict[str, tuple[int, ...]] = {"mv": (7, 8), "rmdir": (1,), "sync": (12,)}


@dash_only
@pytest.mark.parametrize(
    ("start", "command", "count"),
    [
        (start, command, count)
        for start in (RENDERS, NOTHING)
        for command, counts in STEPS.items()
        for count in counts + (COMING_BACK.get(command, ()) if start == NOTHING else ())
    ],
)
def test_a_kill_at_any_step_leaves_whole_files(
    stale: Node, wrap: Callable[[str, str], None], start: str, command: str, count: int
) -> None:
    """Every file is old or new, and the next run converges."""
    twin = {path: content for path in FILES if (content := existing(stale, path))}
    starts(stale, start)
    wrap(command, killing(stale, count))
    # Each look for readiness begins with `find`; on a busy computer, seconds are over before the second one. The
    # kill ends the wait, so only a run that never gets there waits for so long.
    run = stale.start("apply", ready_seconds="40" if command == "find" else "2")
    wait_until(lambda: run.poll() is not None, 60, "the end of the run")
    run.communicate(timeout=30)
    wait_until(lambda: ended(stale), 60, "the end of the restart")
    assert len((stale.root / "tmp/counter").read_text().splitlines()) >= count, "the step was never reached"
    stale.extra_path.clear()
    found = {path: existing(stale, path) for path in FILES}
    settle_and_converge(stale)
    for path, content in found.items():
        assert content in (twin.get(path), existing(stale, path)), path
