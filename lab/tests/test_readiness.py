"""The last words of a wait that was in vain."""

import pytest

from lab import readiness
from lab.k3s_unit import UnitState
from lab.machines import Machine
from lab.settings import Lab, MachineName

LAB = Lab("neverwas")
WANTED = [Machine(LAB, MachineName(index)) for index in range(3)]


@pytest.fixture(autouse=True)
def _restarting(monkeypatch: pytest.MonkeyPatch) -> None:
    """On cube01, and nowhere else, K3s has restarted."""

    def state(machine: Machine) -> UnitState:
        restarts = 6 if machine.name == "cube01" else 0
        return UnitState(machine.name, "k3s.service", "active (running)", restarts, "k3s: bad")

    monkeypatch.setattr(readiness, "unit_state", state)


def test_every_machine_whose_node_is_not_ready_is_looked_at() -> None:
    text = readiness._last_words(LAB, WANTED, ["node cube01 NotReady", "node cube02 unknown"])
    assert text.splitlines() == [
        "not ready after 180 s: node cube01 NotReady, node cube02 unknown",
        "  cube01: k3s.service restarted 6 times, last: k3s: bad",
        "  cube02: k3s.service is active (running), last: k3s: bad",
        "  look with: .venv/bin/python -m lab --name neverwas enter cube01 journalctl -u 'k3s*' -n 50",
    ]


def test_where_all_nodes_are_ready_only_units_that_restarted_are_named() -> None:
    text = readiness._last_words(LAB, WANTED, ["metallb-system/controller 0/1"])
    assert [line.split(":")[0].strip() for line in text.splitlines()] == [
        "not ready after 180 s",
        "cube01",
        "look with",
    ]
