"""The mounts at and below a directory: list them, and unmount them."""

import subprocess
from pathlib import Path


def mounts_below(folder: Path) -> list[Path]:
    """The mount points at or below `folder`, innermost first."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = Path(line.split()[4].replace("\\040", " "))
        if point == folder or folder in point.parents:
            found.append(point)
    return found[::-1]


def unmount_below(folder: Path) -> None:
    """Unmount everything at or below `folder`."""
    for point in mounts_below(folder):
        subprocess.run(["umount", "--lazy", str(point)], check=False, capture_output=True)
