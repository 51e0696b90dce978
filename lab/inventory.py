"""Which labs there are on this computer, and which of them a program is at work with."""

import os
from pathlib import Path

from lab import cgroups, network
from lab.settings import STATE_ROOT, Lab, LabError

TEST_PREFIX = "test"


def labs() -> list[Lab]:
    """Every lab of which anything is left, by name: a folder, a cgroup or a network namespace tells of it."""
    names = {path.name for path in STATE_ROOT.iterdir() if path.is_dir()} if STATE_ROOT.is_dir() else set()
    names |= cgroups.lab_names() | network.lab_names()
    found = []
    for name in sorted(names):
        try:
            found.append(Lab(name))
        except LabError:  # a folder of somebody else's
            continue
    return found


def of_tests() -> list[Lab]:
    """The labs that tests have left behind: named like theirs, and the process that started them is gone."""
    return [lab for lab in labs() if lab.name.startswith(TEST_PREFIX) and not has_living_owner(lab)]


def own(lab: Lab) -> None:
    """Note in the lab's state that this process works with it."""
    (lab.state / "owner").write_text(_identity(os.getpid()))


def has_living_owner(lab: Lab) -> bool:
    """Whether the process that last brought the lab up still lives: a run of tests does, `make up` is done."""
    try:
        identity = (lab.state / "owner").read_text()
        return identity == _identity(int(identity.split()[0]))
    except (OSError, ValueError, IndexError):
        return False


def _identity(pid: int) -> str:
    """A process's number and when it started, since numbers are used again."""
    return f"{pid} {Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[19]}"
