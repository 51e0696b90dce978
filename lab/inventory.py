"""The labs that exist on this computer, and the process that uses each."""

import os
from pathlib import Path

from lab import cgroups, network
from lab.settings import STATE_ROOT, Lab, LabError

TEST_PREFIX = "test"


def labs() -> list[Lab]:
    """Every lab of which a state directory, a cgroup or a network namespace exists, by name."""
    names = {path.name for path in STATE_ROOT.iterdir() if path.is_dir()} if STATE_ROOT.is_dir() else set()
    names |= cgroups.lab_names() | network.lab_names()
    found = []
    for name in sorted(names):
        try:
            found.append(Lab(name))
        except LabError:  # another program's directory
            continue
    return found


def of_tests() -> list[Lab]:
    """The labs that tests have left behind: they have a test lab's name, and their owner has ended."""
    return [lab for lab in labs() if lab.name.startswith(TEST_PREFIX) and not has_living_owner(lab)]


def own(lab: Lab) -> None:
    """Record in the lab's state that this process uses it."""
    (lab.state / "owner").write_text(_identity(os.getpid()))


def has_living_owner(lab: Lab) -> bool:
    """Whether the process that last started the lab is alive: a test run is until its end, `make up` is not."""
    try:
        identity = (lab.state / "owner").read_text()
        return identity == _identity(int(identity.split()[0]))
    except (OSError, ValueError, IndexError):
        return False


def _identity(pid: int) -> str:
    """A process's number and start time, since the kernel reuses numbers."""
    return f"{pid} {Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[19]}"
