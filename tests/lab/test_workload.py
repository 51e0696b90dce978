"""The registry's pod as the cluster sees it: its place under memory pressure, and its log."""

import time

import pytest

from .deployed import Deployed

pytestmark = pytest.mark.lab
PROBE_PERIODS_SECONDS = 11


def test_the_registry_is_not_the_first_pod_that_is_killed_when_memory_is_short(deployed: Deployed) -> None:
    found = deployed.program.kubectl(
        "-n", "docker-registry", "get", "pods", "-l", "app=registry", "-o", "jsonpath={.items[0].status.qosClass}"
    )
    assert found == "Burstable"


def test_each_request_is_logged_once_and_probes_are_not(deployed: Deployed) -> None:
    asked = "/v2/_catalog?n=471"
    deployed.program.registry().get(deployed.program.lab, asked)
    time.sleep(PROBE_PERIODS_SECONDS)
    lines = deployed.program.kubectl("-n", "docker-registry", "logs", "deployment/registry").splitlines()
    assert [line for line in lines if "kube-probe" in line] == []
    assert len([line for line in lines if asked in line]) == 1
