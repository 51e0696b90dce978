"""How long a pod that is being deleted goes on serving."""

from typing import Any

import pytest

from tests.recordings import Build, inputs


@pytest.fixture
def pod(build: Build, config: dict[str, Any]) -> dict[str, Any]:
    """The pod's specification."""
    found: dict[str, Any] = inputs(build(config).by_name["registry-server-deployment"])["spec"]["template"]["spec"]
    return found


def test_a_deleted_pod_serves_longer_than_a_busy_node_needs_for_its_successor(pod: dict[str, Any]) -> None:
    """Seven seconds were seen on a busy computer."""
    assert pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"] >= 2 * 7


def test_the_grace_period_leaves_time_to_serve_and_then_to_finish_requests(pod: dict[str, Any]) -> None:
    [container] = pod["containers"]
    [drain] = [one["value"] for one in container["env"] if one["name"] == "REGISTRY_HTTP_DRAINTIMEOUT"]
    serving = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > serving + int(drain.rstrip("s"))
