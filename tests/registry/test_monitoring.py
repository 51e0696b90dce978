"""What Prometheus and Grafana get, and that a stack without the keys gets nothing of it."""

import json
import re
from typing import Any

import pytest

from components.config.parse import parse
from components.registry.alerts import epoch, rules
from components.registry.dashboard import dashboard, expressions
from components.registry.monitoring import missing
from tests.config.stack_configs import SMALLEST, with_value
from tests.recordings import Build, Recording, inputs

EVERYTHING: dict[str, Any] = {
    "serviceMonitor": True,
    "alerts": True,
    "dashboard": True,
    "labels": {"release": "prometheus"},
}
METRICS = {
    "registry_http_in_flight_requests",
    "registry_http_request_duration_seconds_bucket",
    "registry_http_requests_total",
    "process_resident_memory_bytes",
}
"""Metrics of the registry; tests/lab/test_monitoring.py finds them in a real one."""
OF_THE_CLUSTER = {"up", "kubelet_volume_stats_available_bytes", "kubelet_volume_stats_capacity_bytes"}
WORDS = {"absent", "vector", "time", "sum", "by", "rate", "histogram_quantile", "handler", "method", "code", "le"}


@pytest.fixture
def recording(build: Build, config: dict[str, Any]) -> Recording:
    """The registrations of a stack that is watched in every way."""
    return build(
        {**config, "monitoring": EVERYTHING, "networkPolicy": True, "priorityClass": "system-cluster-critical"}
    )


def container(recording: Recording) -> dict[str, Any]:
    [found] = inputs(recording.by_name["registry-server-deployment"])["spec"]["template"]["spec"]["containers"]
    one: dict[str, Any] = found
    return one


def test_nothing_is_added_unless_the_stack_says_so(build: Build, config: dict[str, Any], recording: Recording) -> None:
    plain = build(config)
    assert set(recording.names) - set(plain.names) == {
        "registry-monitoring",
        "registry-monitoring-metrics",
        "registry-monitoring-service-monitor",
        "registry-monitoring-alerts",
        "registry-monitoring-dashboard",
        "registry-server-network-policy",
    }
    assert not any("DEBUG" in one["name"] for one in container(plain)["env"])
    assert len(container(plain)["ports"]) == 1
    assert "priorityClassName" not in inputs(plain.by_name["registry-server-deployment"])["spec"]["template"]["spec"]


@pytest.mark.parametrize("key", ["metrics", "serviceMonitor", "alerts", "dashboard"])
def test_each_key_by_itself_opens_the_metrics(build: Build, config: dict[str, Any], key: str) -> None:
    found = build({**config, "monitoring": {key: True}})
    assert "registry-monitoring-metrics" in found.names
    assert {"name": "REGISTRY_HTTP_DEBUG_ADDR", "value": ":5001"} in container(found)["env"]


def test_labels_alone_open_nothing(build: Build, config: dict[str, Any]) -> None:
    found = build({**config, "monitoring": {"labels": {"release": "prometheus"}}})
    assert set(found.names) == set(build(config).names)


def test_the_metrics_are_not_on_the_lan(recording: Recording) -> None:
    on_the_lan = inputs(recording.by_name["registry-server-service"])["spec"]
    inside = inputs(recording.by_name["registry-monitoring-metrics"])["spec"]
    assert [port["targetPort"] for port in on_the_lan["ports"]] == [5000]
    assert (inside["type"], "externalIPs" in inside) == ("ClusterIP", False)
    assert [(port["name"], port["targetPort"]) for port in inside["ports"]] == [("metrics", "metrics")]


def test_prometheus_finds_its_objects_by_the_users_labels(recording: Recording) -> None:
    for name in ("service-monitor", "alerts"):
        labels = inputs(recording.by_name[f"registry-monitoring-{name}"])["metadata"]["labels"]
        assert labels == {"app": "registry", "release": "prometheus"}


def test_the_service_monitor_names_the_port_that_only_the_metrics_service_has(recording: Recording) -> None:
    spec = inputs(recording.by_name["registry-monitoring-service-monitor"])["spec"]
    assert spec == {"selector": {"matchLabels": {"app": "registry"}}, "endpoints": [{"port": "metrics"}]}


def test_the_dashboard_has_the_label_of_grafanas_sidecar(recording: Recording) -> None:
    found = inputs(recording.by_name["registry-monitoring-dashboard"])
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(found["data"]["k3s-registry.json"])["title"] == "Registry registry.cube.local:5000"


def test_the_alerts_know_when_certificates_end(recording: Recording) -> None:
    [group] = inputs(recording.by_name["registry-monitoring-alerts"])["spec"]["groups"]
    found = {rule["alert"]: rule["expr"] for rule in group["rules"]}
    # The providers' stand-in says that everything ends at 2036-01-01T00:00:00Z.
    assert found["RegistryCertificateEnds"] == "vector(2082758400) - time() < 1296000"
    assert found["RegistryAuthorityEnds"] == "vector(2082758400) - time() < 7776000"


def test_an_alert_knows_when_the_oldest_proof_was_made(recording: Recording) -> None:
    [group] = inputs(recording.by_name["registry-monitoring-alerts"])["spec"]["groups"]
    found = {rule["alert"]: rule["expr"] for rule in group["rules"]}
    assert found["RegistryProofOld"] == "time() - vector(1700000000) > 7776000"


def test_only_a_service_monitor_gives_the_series_by_which_a_registry_is_down(
    build: Build, config: dict[str, Any]
) -> None:
    found = build({**config, "monitoring": {"alerts": True}})
    [group] = inputs(found.by_name["registry-monitoring-alerts"])["spec"]["groups"]
    assert "RegistryDown" not in {rule["alert"] for rule in group["rules"]}


def test_no_proof_waits_for_what_is_watched(recording: Recording) -> None:
    for name in ("control01-trust", "control01-proof"):
        awaited = {recording.name_of(urn) for urn in recording.by_name[name].dependencies}
        assert not any(str(other).startswith("registry-monitoring") for other in awaited)


def test_the_registry_accepts_connections_to_its_port_from_everywhere(recording: Recording) -> None:
    spec = inputs(recording.by_name["registry-server-network-policy"])["spec"]
    assert (spec["policyTypes"], spec["podSelector"]) == (["Ingress"], {"matchLabels": {"app": "registry"}})
    assert spec["ingress"][0] == {"ports": [{"protocol": "TCP", "port": 5000}]}


@pytest.mark.parametrize(
    ("monitoring", "peers"),
    [
        ({}, None),
        ({"metrics": True}, [{"namespaceSelector": {}}]),
        (
            {"metrics": True, "namespaces": ["monitoring"]},
            [
                {
                    "namespaceSelector": {
                        "matchExpressions": [
                            {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["monitoring"]}
                        ]
                    }
                }
            ],
        ),
    ],
)
def test_the_metrics_are_open_to_pods_of_the_named_namespaces(
    build: Build, config: dict[str, Any], monitoring: dict[str, Any], peers: Any
) -> None:
    found = build({**config, "networkPolicy": True, "monitoring": monitoring})
    _, *others = inputs(found.by_name["registry-server-network-policy"])["spec"]["ingress"]
    wanted = [] if peers is None else [{"ports": [{"protocol": "TCP", "port": 5001}], "from": peers}]
    assert [{**one, "from": [_without_empty(peer) for peer in one["from"]]} for one in others] == wanted


def _without_empty(peer: dict[str, Any]) -> dict[str, Any]:
    return {"namespaceSelector": {key: value for key, value in peer["namespaceSelector"].items() if value}}


def test_the_pod_has_the_configured_priority(recording: Recording) -> None:
    spec = inputs(recording.by_name["registry-server-deployment"])["spec"]["template"]["spec"]
    assert spec["priorityClassName"] == "system-cluster-critical"


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("monitoring.alerts", "yes", "true or false"),
        ("monitoring.proofDays", 0, "1"),
        ("monitoring.namespaces", ["Monitoring"], "lower-case"),
        ("monitoring.labels", {"release": "no spaces"}, "label"),
        ("networkPolicy", "yes", "true or false"),
        ("priorityClass", "System Critical", "lower-case"),
    ],
)
def test_a_bad_value_is_refused_with_its_key(key: str, value: Any, words: str) -> None:
    with pytest.raises(Exception, match=f"(?s){re.escape(key)}.*{words}"):
        parse(with_value(key, value))


def test_nothing_is_watched_by_default() -> None:
    assert not parse(SMALLEST).monitoring.exposes_metrics


def test_every_query_uses_metrics_that_exist() -> None:
    settings = parse(with_value("monitoring.serviceMonitor", value=True))
    found = rules(
        settings,
        renew_days=30,
        server_not_after="2027-01-01T00:00:00Z",
        issuer_not_after="2036-01-01T00:00:00Z",
        oldest_proof=1,
    )
    queries = [rule["expr"] for rule in found["groups"][0]["rules"]] + [*expressions(dashboard(settings))]
    plain = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", " ".join(queries))
    assert set(re.findall(r"[a-z_]{2,}", plain)) - WORDS == METRICS | OF_THE_CLUSTER


def test_a_cluster_without_the_operator_gets_one_sentence() -> None:
    said = missing("ServiceMonitor", "monitoring.serviceMonitor", 'no matches for kind "ServiceMonitor" in version')
    assert said is not None
    assert said.startswith("monitoring.serviceMonitor: found no kind ServiceMonitor in the cluster")


def test_other_errors_are_left_alone() -> None:
    assert missing("ServiceMonitor", "monitoring.serviceMonitor", "connection refused") is None


def test_the_end_of_a_certificate_is_read_with_its_time_zone() -> None:
    assert epoch("1970-01-02T00:00:00Z") == epoch("1970-01-02T01:00:00+01:00") == 86400
