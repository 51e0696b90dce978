"""The registry watched from inside a real cluster: metrics, the operator's kinds, a network policy, a priority."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import network
from tests.registry.test_monitoring import METRICS

from .deployed import Deployed

pytestmark = pytest.mark.lab
NAMESPACE = "docker-registry"
OBJECTS = "networkpolicies,services,configmaps,servicemonitors,prometheusrules"
OURS = {
    "networkpolicy.networking.k8s.io/registry",
    "service/registry-metrics",
    "configmap/registry-dashboard",
    "servicemonitor.monitoring.coreos.com/registry",
    "prometheusrule.monitoring.coreos.com/registry",
}
EVERYTHING: dict[str, Any] = {
    "monitoring": {"serviceMonitor": True, "alerts": True, "dashboard": True, "labels": {"release": "prometheus"}},
    "networkPolicy": True,
    "priorityClass": "system-cluster-critical",
}
KINDS = {"servicemonitors": "ServiceMonitor", "prometheusrules": "PrometheusRule"}


def definition(plural: str, kind: str) -> dict[str, Any]:
    """A kind of the Prometheus operator's, without its schema."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com",
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


@pytest.fixture(scope="module")
def watched(deployed: Deployed) -> Iterator[Path]:
    """A configuration with everything on, in a cluster with the operator's kinds; both are removed afterwards."""
    kubectl = deployed.program.kubectl
    kinds = json.dumps({"apiVersion": "v1", "kind": "List", "items": [definition(*one) for one in KINDS.items()]})
    config = deployed.program.configuration(lambda keys: keys.update(EVERYTHING))
    kubectl("apply", "-f", "-", stdin=kinds)
    kubectl(
        "wait", "--for=condition=Established", "--timeout=30s", *[f"crd/{name}.monitoring.coreos.com" for name in KINDS]
    )
    try:
        deployed.program.up(config=config)
        yield config
    finally:
        deployed.program.restore()
        kubectl("delete", "-f", "-", stdin=kinds)


def objects(deployed: Deployed) -> set[str]:
    """The objects of the registry's namespace that may have been added."""
    return set(deployed.program.kubectl("-n", NAMESPACE, "get", OBJECTS, "-o", "name").split())


def registrys_pod(deployed: Deployed) -> dict[str, Any]:
    """The specification of the registry's pod that is ready."""
    arguments = ("get", "pods", "--selector=app=registry", "--field-selector=status.phase=Running", "-o", "json")
    pods = json.loads(deployed.program.kubectl("-n", NAMESPACE, *arguments))["items"]
    [found] = [pod["spec"] for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    specification: dict[str, Any] = found
    return specification


@pytest.mark.long
def test_a_cluster_without_the_operator_gets_a_sentence(deployed: Deployed) -> None:
    """The provider waits for a kind for more than a minute, since another program may be about to create it."""
    config = deployed.program.configuration(lambda keys: keys.update(monitoring={"serviceMonitor": True}))
    said = deployed.program.run("up", "--yes", "--skip-preview", "--color", "never", config=config, expect=None)
    deployed.program.up()
    assert said.status != 0
    assert "monitoring.serviceMonitor: found no kind ServiceMonitor in the cluster" in " ".join(said.text.split())


def test_one_up_switches_everything_on_and_the_next_changes_nothing(deployed: Deployed, watched: Path) -> None:
    assert objects(deployed) >= OURS
    assert registrys_pod(deployed)["priorityClassName"] == "system-cluster-critical"
    deployed.program.up("--expect-no-changes", config=watched)


@pytest.mark.usefixtures("watched")
def test_a_pod_reads_the_metrics_by_their_service(deployed: Deployed) -> None:
    image = deployed.push("metrics")
    deployed.program.registry().get(deployed.program.lab, "/v2/_catalog")
    url = f"http://registry-metrics.{NAMESPACE}:5001/metrics"
    found = set(
        re.findall(r"^([a-z_]+)", deployed.run_pod("cube01", image, script=f"wget -q -O - {url}"), re.MULTILINE)
    )
    assert found >= METRICS


@pytest.mark.usefixtures("watched")
def test_the_lan_address_does_not_have_the_metrics(deployed: Deployed) -> None:
    registry, lab = deployed.program.registry(), deployed.program.lab
    assert network.answers(lab, registry.ip, registry.port)
    assert not network.answers(lab, registry.ip, 5001)
    with pytest.raises(Exception, match="404"):
        registry.get(lab, "/metrics")


@pytest.mark.usefixtures("watched")
def test_switched_off_again_it_leaves_nothing(deployed: Deployed) -> None:
    before = objects(deployed)
    deployed.program.up()
    assert before - objects(deployed) == OURS
    assert "DEBUG" not in json.dumps(registrys_pod(deployed))
    assert deployed.planned(deployed.program.configuration()) == {}
