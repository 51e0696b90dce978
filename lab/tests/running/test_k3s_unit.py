"""The state of a unit that cannot start, as systemd and the journal of a real machine report it."""

from lab.k3s_unit import unit_state
from lab.machines import Machine
from lab.tests.waiting import wait_until

UNIT = """\
[Unit]
StartLimitIntervalSec=0
[Service]
ExecStart=/bin/sh -c 'echo k3s: starting k3s agent; echo kubelet: the cause; echo k3s: kubelet: exit status 1; exit 1'
Restart=always
RestartSec=200ms
"""


def test_a_unit_that_cannot_start_is_reported_with_its_restarts_and_its_error(bare_machines: list[Machine]) -> None:
    machine = bare_machines[1]
    machine.write("/etc/systemd/system/k3s-agent.service", UNIT)
    machine.run(["systemctl", "daemon-reload"])
    machine.run(["systemctl", "start", "--no-block", "k3s-agent.service"])
    try:
        wait_until(lambda: unit_state(machine).restarts > 1, 30, "the unit has restarted twice")
        state = unit_state(machine)
    finally:
        machine.run(["systemctl", "stop", "k3s-agent.service"])
        machine.path("/etc/systemd/system/k3s-agent.service").unlink()
        machine.run(["systemctl", "daemon-reload"])
    assert (state.machine, state.unit) == ("cube01", "k3s-agent.service")
    assert state.error == "k3s: kubelet: exit status 1 (kubelet: the cause)"


def test_a_machine_that_does_not_run_has_that_as_its_error(bare_machines: list[Machine]) -> None:
    machine = bare_machines[1]
    machine.kill()
    wait_until(lambda: not machine.is_running(), 30, "cube01 has ended")
    assert str(unit_state(machine)).startswith("cube01: k3s-agent.service is unknown, last: cube01 does not run")
