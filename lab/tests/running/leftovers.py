"""The traces that a lab can leave on a computer."""

from pathlib import Path

from lab import cgroups, network
from lab.mounts import mounts_below
from lab.settings import MAX_MACHINES, Lab, MachineName

NOTHING: dict[str, list[str]] = {
    kind: [] for kind in ("processes", "mounts", "namespaces", "cgroups", "interfaces", "files", "nspawn")
}


def _interfaces() -> set[str]:
    """Names of the network interfaces that the computer itself shows."""
    return {path.name for path in Path("/sys/class/net").iterdir()}


BEFORE = _interfaces()
"""The interfaces before any test, since the computer itself may have one of the same name."""
NAMES = {network.BRIDGE, *(MachineName(index).name for index in range(MAX_MACHINES))}
"""The names of a lab's network interfaces, none of which may be visible outside its namespaces."""


def leftovers(lab: Lab) -> dict[str, list[str]]:
    """Everything that the lab has left on this computer, by kind; all values are empty if it left nothing."""
    processes = [str(pid) for group in cgroups.groups(lab) for pid in group.processes()]
    folders = [str(root / cgroups.PARENT / lab.name) for root in cgroups.hierarchies()]
    return {
        "processes": processes,
        "mounts": [str(point) for point in mounts_below(lab.state)],
        "namespaces": network.namespaces(lab),
        "cgroups": [folder for folder in folders if Path(folder).exists()],
        "interfaces": sorted(NAMES & (_interfaces() - BEFORE)),
        "files": [str(lab.state)] if lab.state.exists() else [],
        "nspawn": [str(path) for path in Path("/run/systemd/nspawn").glob(f"*/{lab.namespace_prefix}*")],
    }
