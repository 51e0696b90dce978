"""Waves: a change reaches few nodes before many, and stops where it breaks something."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.machines import Machine

from .deployed import Deployed
from .interrupting import up_cut_off
from .node_files import differences, snapshot

pytestmark = pytest.mark.lab
REGISTRIES = "/etc/rancher/k3s/registries.yaml"
CA = "/etc/rancher/k3s/k3s-registry-ca.crt"


@pytest.fixture(autouse=True)
def restored(deployed: Deployed) -> Iterator[None]:
    """Restore the committed stack after each test."""
    yield
    deployed.program.restore()


@pytest.fixture
def another_authority(deployed: Deployed) -> Path:
    """A change for every node: control01 in the first wave, cube01 in the second, cube02 in the third."""
    return deployed.program.configuration(
        lambda keys: keys.update(
            rollout="waves",
            waves=["1", "2"],
            certificates={"authorities": ["one", "waves"], "issuer": "one", "protect": False},
        )
    )


def authorities(machine: Machine) -> int:
    """How many authorities the machine trusts the registry by."""
    return machine.path(CA).read_text().count("BEGIN CERTIFICATE")


def test_a_preview_says_which_nodes_are_in_which_wave(deployed: Deployed, another_authority: Path) -> None:
    text = deployed.program.run("preview", config=another_authority).text
    assert "rollout in 3 waves" in text
    assert "1: control01; 2: cube01; 3: cube02" in text


def test_a_wave_that_fails_leaves_later_ones_as_they_are(deployed: Deployed, another_authority: Path) -> None:
    first, second, third = (deployed.program.machines[name] for name in ("control01", "cube01", "cube02"))
    before, own = snapshot(third), second.path(REGISTRIES).read_text()
    second.write(REGISTRIES, "mirrors: {hub.example: {}}\n")
    try:
        result = deployed.program.up(config=another_authority, expect=None)
        assert result.status != 0
        assert "node cube01: found flow style" in result.text
        assert authorities(first) == 2
        assert differences(before, snapshot(third)) == []
    finally:
        second.write(REGISTRIES, own)
    deployed.program.up(config=another_authority)
    assert [authorities(machine) for machine in (first, second, third)] == [2, 2, 2]


@pytest.mark.long
def test_an_up_killed_between_waves_goes_on_from_there(deployed: Deployed, another_authority: Path) -> None:
    third = deployed.program.machines["cube02"]
    before = snapshot(third)
    up_cut_off(deployed.program, another_authority, at="control01-proof updated", by=signal.SIGKILL)
    assert differences(before, snapshot(third)) == []
    deployed.program.up(config=another_authority)
    assert [authorities(machine) for machine in deployed.program.machines.values()] == [2, 2, 2]
    deployed.program.up("--expect-no-changes", config=another_authority)
