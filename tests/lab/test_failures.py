"""Nodes that cannot be configured: each is named with the cause, and the others finish."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from .deployed import Deployed
from .pace import Pace
from .program import Result

pytestmark = pytest.mark.lab
FIGURE_SECONDS = 15
DIAL_SECONDS = 6
"""The seconds that the committed stack file allows for two attempts."""
PREVIEWS = 4
"""How many times as long as a preview the rest of the run may take, which visits and proves the nodes again."""
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAIYTmCDS9yBFtUwrIBkpXFNROkADmnmq4xbW1+NUncA"


@dataclass(frozen=True)
class Failed:
    """One `up` in which three nodes cannot be reached, each for a reason of its own."""

    result: Result
    pace: Pace
    before: dict[str, str]
    """The digest that each node had pulled before."""
    after: dict[str, str]


def change(keys: dict[str, Any]) -> None:
    """List a node at a dead address, one whose port is closed, and one with the host key of another."""
    keys["nodes"]["cube08"] = {**Deployed.new_node("cube08"), "host": "10.77.0.99"}
    keys["nodes"]["cube09"] = {**Deployed.new_node("cube09"), "host": "10.77.0.13", "port": 2}
    keys["nodes"]["cube02"]["hostKey"] = OTHER_KEY
    keys["audit"] = "with nodes that cannot be reached"


@pytest.fixture(scope="module")
def failed(deployed: Deployed) -> Iterator[Failed]:
    """Such an `up`; the committed stack afterwards."""
    program = deployed.program
    before = {name: node["pulledDigest"] for name, node in program.outputs()["nodes"].items()}
    pace = program.pace()
    result = program.up("--continue-on-error", config=program.configuration(change), expect=None)
    yield Failed(result, pace, before, deployed.proved_digests())
    program.up()


def test_nodes_without_proof_do_not_end_green(failed: Failed) -> None:
    assert failed.result.status != 0


@pytest.mark.parametrize(
    ("node", "words"),
    [("cube08", "i/o timeout"), ("cube09", "connection refused"), ("cube02", "host key mismatch")],
    ids=["dead address", "closed port", "wrong host key"],
)
def test_a_node_that_cannot_be_reached_is_named_with_the_cause(failed: Failed, node: str, words: str) -> None:
    assert f"node {node} (" in failed.result.text
    assert words in failed.result.text, "no other node fails in this way"


def test_the_other_nodes_finish_and_prove_their_pull_again(failed: Failed) -> None:
    changed = {name for name, digest in failed.before.items() if failed.after.get(name) != digest}
    assert changed - {"cube02"} == {"control01", "cube01"}


def test_a_dead_address_costs_its_two_attempts_alone(failed: Failed) -> None:
    failed.pace.assert_kept(failed.result.seconds, figure=FIGURE_SECONDS, waits=DIAL_SECONDS, times=PREVIEWS)


def test_a_registries_yaml_that_cannot_be_merged_is_refused_and_left_as_it_is(deployed: Deployed) -> None:
    machine = deployed.program.machines["cube02"]
    deployed.program.up(config=deployed.program.configuration(lambda keys: keys["nodes"].pop("cube02")))
    machine.write("/etc/rancher/k3s/registries.yaml", "mirrors: {hub.example: {}}\n")
    try:
        result = deployed.program.up(expect=None)
    finally:
        left = machine.path("/etc/rancher/k3s/registries.yaml").read_text()
        machine.path("/etc/rancher/k3s/registries.yaml").unlink()
    assert result.status != 0
    assert "node cube02: found flow style" in result.text
    assert "in line 1 of /etc/rancher/k3s/registries.yaml" in result.text
    assert left == "mirrors: {hub.example: {}}\n"
    deployed.program.up()
