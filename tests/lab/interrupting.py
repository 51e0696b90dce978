"""Interrupts `pulumi up` in the middle of a step, gracefully or with SIGKILL."""

import signal
import subprocess
from pathlib import Path

from lab.cgroups import Group
from lab.deployment import STACK
from lab.settings import LAB_FOLDER

from .program import Program

SECONDS = 120


def up_cut_off(program: Program, config: Path, at: str, by: signal.Signals) -> str:
    """Run `up` until a line of its output contains `at`, then send the signal `by`; returns the output so far.

    After SIGKILL the lock is given up, as a user would do by `pulumi cancel`.
    """
    engine = program.engine
    command = ["up", "--yes", "--skip-preview", "--stack", STACK, "--config-file", str(config), "--color", "never"]
    # Upstream's Kubernetes provider outlives an engine that is killed: the group is how it is found again.
    group = Group(program.lab, "cut-off")
    group.create()
    with subprocess.Popen(
        [
            str(LAB_FOLDER / "in-cgroup.sh"),
            *map(str, group.folders()),
            "--",
            *program.lab.in_lan(str(engine.pulumi), *command),
        ],
        cwd=Path(__file__).parents[2],
        env=engine.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if at in line:
                process.send_signal(by)
                break
        if by is signal.SIGKILL:
            process.wait(SECONDS)
            group.kill()
        rest, _ = process.communicate(timeout=SECONDS)
    text = "".join(lines) + rest
    program.printed.append(text)
    program.is_committed = False
    assert at in text, f"the moment to cut it off never came:\n{text}"
    assert process.returncode != 0, f"it ended well before it was cut off:\n{text}"
    if by is signal.SIGKILL:
        program.run("cancel", "--yes")
    return text
