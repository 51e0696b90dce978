"""How a lab stands, for people: its machines, their nodes, its registry."""

from lab import network
from lab.api import Api
from lab.lifecycle import Shape
from lab.machines import machines
from lab.settings import REGISTRY_ADDRESS, REGISTRY_HOST, REGISTRY_PORT, Lab


def describe(lab: Lab) -> str:
    """A table of the lab's machines and a line on its registry; says so when there is no such lab."""
    shape = Shape.of(lab)
    if shape is None:
        return f"lab {lab.name} is not up"
    running = {machine: machine.is_running() for machine in machines(lab)}
    alive = lab.lan_namespace_path.exists() and any(running.values())
    nodes = Api(lab).node_states() if alive and not shape.bare else {}
    rows = [("MACHINE", "ADDRESS", "STATE", "NODE")]
    for machine, runs in running.items():
        node = "none (bare)" if shape.bare else nodes.get(machine.name, "unknown")
        rows.append((machine.name, machine.place.address, "running" if runs else "stopped", node))
    lines = ["  ".join(cell.ljust(11) for cell in row).rstrip() for row in rows]
    answers = alive and network.answers(lab, REGISTRY_ADDRESS, REGISTRY_PORT)
    registry = f"registry  https://{REGISTRY_HOST}:{REGISTRY_PORT} ({REGISTRY_ADDRESS}): "
    lines.append(registry + ("answers" if answers else "does not answer"))
    lines.append(f"state     {lab.state}")
    return "\n".join(lines)
