"""The unit that runs K3s on a machine: its state, its restarts, and the error behind them."""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from lab.cluster import unit
from lab.machines import Machine
from lab.settings import LabError

JOURNAL_LINES = 2000
LONGEST = 400
_START = re.compile(r"\bstarting k3s ", re.IGNORECASE)
"""In the first line of the look-alike, and of K3s itself."""
_ENDED = re.compile(r"([\w-]+): (?:exit status|signal|ended)")
_ERROR = re.compile(r'\b[EF]\d{4} \d\d:|level=(?:error|fatal)|"level":"(?:error|fatal|panic)"|\bpanic: ')


@dataclass(frozen=True, slots=True)
class UnitState:
    """The state of a machine's K3s, as systemd and the journal describe it; printed as one sentence."""

    machine: str
    unit: str
    state: str
    restarts: int
    error: str

    def __str__(self) -> str:
        times = "once" if self.restarts == 1 else f"{self.restarts} times"
        state = f"restarted {times}" if self.restarts else f"is {self.state}"
        return f"{self.machine}: {self.unit} {state}, last: {self.error}"


def unit_state(machine: Machine) -> UnitState:
    """The state of the machine's K3s; a machine that does not answer has the reason as its error."""
    name = f"{unit(machine)[0]}.service"
    show = ["systemctl", "show", name, "--property=ActiveState,SubState,NRestarts"]
    journal = [
        "journalctl",
        "--boot",
        "--no-pager",
        "--output=cat",
        f"--lines={JOURNAL_LINES}",
        f"_SYSTEMD_UNIT={name}",
    ]
    try:
        shown = dict(line.split("=", 1) for line in machine.run(show, timeout=10).stdout.splitlines())
        lines = machine.run(journal, timeout=10).stdout.splitlines()
    except (LabError, OSError, subprocess.SubprocessError) as error:
        return UnitState(machine.name, name, "unknown", 0, str(error))
    state = f"{shown['ActiveState']} ({shown['SubState']})"
    return UnitState(machine.name, name, state, int(shown["NRestarts"]), last_error(lines))


def last_error(lines: Sequence[str]) -> str:
    """The last words of the last K3s that ended, or else of the one that runs, and the error that they refer to.

    The supervisor's words name the process whose end ended the node; the cause is among that process's own lines.
    """
    starts = [index for index, line in enumerate(lines) if _START.search(line)]
    # What follows the last start belongs to a K3s that has not failed yet.
    ended = lines[: starts[-1]] if len(starts) > 1 else lines
    words = [line for line in ended if line.startswith("k3s: ") or "level=fatal" in line] or ended
    if not words:
        return "it has written nothing"
    process = _ENDED.search(words[-1])
    own = [line for line in ended if process and line.startswith(f"{process[1]}: ")]
    errors = [line for line in own if _ERROR.search(line)] or own
    # A component may quote a whole file in its error.
    said = f"{words[-1]} ({errors[-1]})" if errors else words[-1]
    return said if len(said) <= LONGEST else f"{said[:LONGEST]} ..."
