from collections.abc import Iterator
from typing import Any

import pytest

from .deployed import Deployed

pytestmark = pytest.mark.lab
FIGURE_SECONDS = 15
DIAL_SECONDS = 6
"""The seconds that the committed stack file allows for two attempts."""
PREVIEWS = 4
"""How many times as long as a preview the rest of the run may take, which visits and proves the nodes again."""
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAIYTmCDS9yBFtUwrIBkpXFNROkADmnmq4xbW1+NUncA"


@pytest.fixture(autouse=True)
def restored(deployed: Deployed) -> Iterator[None]:
    """Restore the committed stack after each test."""
    yield
    deployed.program.up()


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ({"host": "10.77.0.99"}, "i/o timeout"),
        ({"host": "10.77.0.13", "port": 2}, "connection refused"),
    ],
    ids=["dead address", "closed port"],
)
def test_a_node_that_cannot_be_reached_is_named_and_does_not_stop_the_others(
    deployed: Deployed, node: dict[str, Any], words: str
) -> None:
    def change(keys: dict[str, Any]) -> None:
        keys["nodes"]["cube09"] = {**deployed.new_node("cube09"), **node}
        keys["audit"] = words

    before = deployed.program.outputs()["nodes"]
    pace = deployed.program.pace()
    result = deployed.program.up("--continue-on-error", config=deployed.program.configuration(change), expect=None)
    assert result.status != 0, "a node without proof must not end green"
    assert words in result.text
    assert "cube09" in result.text
    pace.assert_kept(result.seconds, figure=FIGURE_SECONDS, waits=DIAL_SECONDS, times=PREVIEWS)
    after = deployed.proved_digests()
    for name in before:
        assert after[name] != before[name]["pulledDigest"], f"{name} must finish although cube09 did not"


def test_a_wrong_host_key_is_refused_and_the_node_named(deployed: Deployed) -> None:
    def change(keys: dict[str, Any]) -> None:
        keys["nodes"]["cube02"]["hostKey"] = OTHER_KEY
        keys["audit"] = "with a wrong host key"

    before = deployed.program.outputs()["nodes"]
    pace = deployed.program.pace()
    result = deployed.program.up("--continue-on-error", config=deployed.program.configuration(change), expect=None)
    assert result.status != 0
    assert "host key mismatch" in result.text
    assert "cube02" in result.text
    pace.assert_kept(result.seconds, figure=FIGURE_SECONDS, times=PREVIEWS)
    after = deployed.proved_digests()
    changed = {name for name, node in before.items() if after.get(name) != node["pulledDigest"]}
    assert changed - {"cube02"} == {"control01", "cube01"}, "the others must finish although cube02 did not"


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
