"""The registry comes back by itself: after a node's reboot, and after a power cut of all machines, in any order."""

import time
from collections.abc import Callable, Sequence

import pytest

from lab.machines import Machine

from .deployed import Deployed
from .program import Program

pytestmark = [pytest.mark.lab, pytest.mark.long]
AHEAD_SECONDS = 20
"""How long the machines that are started first wait for the others."""
IMAGE = "registry:3"


def registry_node(program: Program) -> Machine:
    """The machine on which the registry's pod runs."""
    where = "jsonpath={.items[0].spec.nodeName}"
    return program.machines[program.kubectl("-n", "docker-registry", "get", "pods", "-l", "app=registry", "-o", where)]


def attempts_to_pull_the_registrys_image(program: Program) -> list[str]:
    """What kubelets have recently reported of attempts to pull it; an image that a node has needs none."""
    listed = program.kubectl(
        *("-n", "docker-registry", "get", "events", "--field-selector=reason=Pulling", "-o"),
        'jsonpath={range .items[*]}{.message}{"\\n"}{end}',
    )
    return [line for line in listed.splitlines() if IMAGE in line]


def check_pulls(deployed: Deployed, image: str) -> None:
    """Check that a pod on every node pulls the image, and that the stack needs no change."""
    program = deployed.program
    names = list(program.machines)
    assert {name: deployed.run_pod(name, image) for name in names} == {name: f"hello from {name}\n" for name in names}
    assert attempts_to_pull_the_registrys_image(program) == []
    program.up("--expect-no-changes")


def agents_first(machines: Sequence[Machine]) -> list[Machine]:
    return sorted(machines, key=lambda machine: machine.place.is_server)


def server_first(machines: Sequence[Machine]) -> list[Machine]:
    return list(reversed(agents_first(machines)))


@pytest.mark.parametrize("order", [agents_first, server_first])
def test_the_registry_comes_back_after_a_power_cut(
    deployed: Deployed, order: Callable[[Sequence[Machine]], list[Machine]]
) -> None:
    """The registry's own image is on its node, so nothing has to be pulled before the registry runs."""
    program = deployed.program
    image = deployed.push("before-the-power-cut")
    machines = list(program.machines.values())
    for machine in machines:
        machine.kill()
    *early, last = order(machines)
    for machine in early:
        machine.start()
    time.sleep(AHEAD_SECONDS)
    last.start()
    for machine in machines:
        machine.wait_for_ssh()
    deployed.wait_for_nodes()
    check_pulls(deployed, image)


def test_the_registry_comes_back_after_a_reboot_of_its_node(deployed: Deployed) -> None:
    image = deployed.push("before-the-reboot")
    registry_node(deployed.program).reboot()
    deployed.wait_for_nodes()
    check_pulls(deployed, image)
