"""Every node of the cluster should be listed, and every listed node should be part of the cluster."""

from typing import Any

import pytest

from .deployed import Deployed
from .program import only

pytestmark = pytest.mark.lab


def rename(keys: dict[str, Any]) -> None:
    """List a machine under a name that the cluster does not know."""
    keys["nodes"]["cube09"] = keys["nodes"].pop("cube02")


def test_a_node_that_is_not_listed_is_told_in_preview_and_output(deployed: Deployed) -> None:
    program = deployed.program
    assert program.outputs()["unlistedNodes"] == []
    config = program.configuration(only("control01", "cube01"))
    assert "found cube02 in the cluster but not in the configuration" in program.run("preview", config=config).text
    assert "found cube02 in the cluster" in program.up(config=config).text
    assert program.outputs()["unlistedNodes"] == ["cube02"]
    program.up()
    assert program.outputs()["unlistedNodes"] == []


def test_a_name_that_the_cluster_does_not_know_is_refused_and_the_node_keeps_its_trust(deployed: Deployed) -> None:
    program = deployed.program
    text = program.up("--continue-on-error", config=program.configuration(rename), expect=None).text
    assert "the cluster knows this machine as cube02" in text
    program.up()
    assert "cube09" not in program.outputs()["nodes"]
    image = deployed.push("renamed")
    assert deployed.run_pod("cube02", image) == "hello from cube02\n"
