"""The status of a lab for people: its machines, their nodes, its registry."""

from lab import needs, network
from lab.api import Api
from lab.machines import machines
from lab.settings import REGISTRY_ADDRESS, REGISTRY_HOST, REGISTRY_PORT, Lab, LabError
from lab.shape import Shape


def describe(lab: Lab) -> str:
    """A table of the lab's machines, its registry and how to use it, or a sentence that the lab is not up.

    Raises:
        LabError: the lab exists, and only root may look at it.
    """
    if lab.state.exists() and not needs.is_root():
        message = f"lab {lab.name} belongs to root: run the same command with sudo"
        raise LabError(message)
    shape = Shape.of(lab)
    if shape is None:
        return f"lab {lab.name} is not up: start it with {lab.make('up')}"
    running = {machine: machine.is_running() for machine in machines(lab)}
    alive = lab.lan_namespace_path.exists() and any(running.values())
    nodes = Api(lab).node_states() if alive and not shape.bare else {}
    rows = [("MACHINE", "ADDRESS", "STATE", "NODE", "LOGIN", "DATA-DIR")]
    for machine, runs in running.items():
        node = "none (bare)" if shape.bare else nodes.get(machine.name, "unknown")
        state, data_dir = "running" if runs else "stopped", "" if shape.bare else machine.kind.data_dir
        rows.append((machine.name, machine.place.address, state, node, machine.kind.login, data_dir))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    answers = alive and network.answers(lab, REGISTRY_ADDRESS, REGISTRY_PORT)
    registry = f"registry  https://{REGISTRY_HOST}:{REGISTRY_PORT} ({REGISTRY_ADDRESS}): "
    lines.append(registry + ("answers" if answers else "does not answer"))
    lines.append(f"state     {lab.state}")
    last = next(reversed(running), None)
    if last is not None:
        lines.append(f"enter     {lab.make('enter', f'MACHINE={last.name}')}")
    lines.append(f"use       {lab.call('run', 'kubectl', 'get', 'nodes')}; {lab.call('env')} shows the environment")
    return "\n".join(lines)
