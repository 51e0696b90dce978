"""Caches of upstreams: which objects each has, and what stays as it is where there are none."""

import json
from typing import Any

from components.config.parse import parse
from components.registry.caches import not_ready
from tests.config.stack_configs import SMALLEST
from tests.recordings import COMMAND, Build, clear_texts, inputs

PASSWORD = "a secret word"
HUB = {"docker.io": {"ip": "10.43.0.53"}}
LOGIN = {"docker.io": {"ip": "10.43.0.53", "username": "alice", "password": PASSWORD}}
DEPLOYMENT = "registry-caches-docker-io-deployment"


def container_of(recorded: Any, name: str = DEPLOYMENT) -> dict[str, Any]:
    """The one container of a cache."""
    [container] = inputs(recorded[name])["spec"]["template"]["spec"]["containers"]
    found: dict[str, Any] = container
    return found


def test_each_upstream_has_a_claim_a_server_and_an_address_of_its_own(build: Build, config: dict[str, Any]) -> None:
    caches = {**HUB, "ghcr.io": {"ip": "10.43.0.54"}}
    added = set(build({**config, "cache": caches}).names) - set(build(config).names)
    roles = ("files", "claim", "deployment", "service")
    expected = {f"registry-caches-{slug}-{role}" for slug in ("docker-io", "ghcr-io") for role in roles}
    assert added == {*expected, "registry-caches"}


def test_a_cache_is_a_registry_with_an_upstream(build: Build, config: dict[str, Any]) -> None:
    container = container_of(build({**config, "cache": HUB}).by_name)
    variables = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert variables["REGISTRY_PROXY_REMOTEURL"] == "https://registry-1.docker.io"
    assert variables["REGISTRY_PROXY_TTL"] == "168h"
    assert variables["REGISTRY_STORAGE_DELETE_ENABLED"] == "true", "or nothing would ever expire"
    assert variables["REGISTRY_HTTP_TLS_CLIENTCAS"] == "[/certs/client-ca.crt]"
    assert "command" not in container


def test_no_other_service_finds_the_pods_of_a_cache(build: Build, config: dict[str, Any]) -> None:
    caches = {**HUB, "ghcr.io": {"ip": "10.43.0.54"}}
    recorded = build({**config, "cache": caches}).by_name
    labels = {
        name: inputs(recorded[name])["spec"]["template"]["metadata"]["labels"]
        for name in recorded
        if name.endswith("-deployment")
    }
    for name in (name for name in recorded if name.endswith("-service")):
        selector = inputs(recorded[name])["spec"]["selector"].items()
        assert [found for found, own in labels.items() if selector <= own.items()] == [
            name.removesuffix("-service") + "-deployment"
        ]


def test_a_cache_has_an_address_inside_the_cluster_that_its_certificate_contains(
    build: Build, config: dict[str, Any]
) -> None:
    recorded = build({**config, "cache": HUB}).by_name
    service = inputs(recorded["registry-caches-docker-io-service"])["spec"]
    assert (service["type"], service["clusterIP"], service["ports"][0]["port"]) == ("ClusterIP", "10.43.0.53", 5000)
    assert inputs(recorded["registry-certificates-server-request"])["ipAddresses"] == [config["ip"], "10.43.0.53"]


def test_nodes_come_after_the_addresses_that_they_are_sent_to(build: Build, config: dict[str, Any]) -> None:
    recording = build({**config, "cache": HUB})
    after = {recording.name_of(urn) for urn in recording.by_name["cube01-trust"].dependencies}
    assert "registry-caches-docker-io-service" in after
    assert DEPLOYMENT not in after, "no node waits until the upstream answers"


def test_another_key_pair_or_login_is_another_pod(build: Build, config: dict[str, Any]) -> None:
    def revision(section: dict[str, Any]) -> str:
        template = inputs(build({**config, "cache": {"docker.io": section}}).by_name[DEPLOYMENT])["spec"]["template"]
        return str(template["metadata"]["annotations"]["k3s-registry/cache"])

    first = revision(LOGIN["docker.io"])
    assert first == revision(LOGIN["docker.io"])
    assert len({first, revision({"ip": "10.43.0.53"}), revision({**LOGIN["docker.io"], "password": "x"})}) == 3


def test_the_password_is_in_one_secret_and_nowhere_in_plain_text(build: Build, config: dict[str, Any]) -> None:
    recording = build({**config, "cache": LOGIN})
    for name, request in recording.by_name.items():
        assert not [text for text in clear_texts(inputs(request)) if PASSWORD in text], name
        if request.type == COMMAND:
            assert PASSWORD not in json.dumps(inputs(request)), name
    assert recording.secret_outputs == []


def test_a_login_is_tried_before_the_cache_starts(build: Build, config: dict[str, Any]) -> None:
    def first(caches: dict[str, Any]) -> list[str]:
        spec = inputs(build({**config, "cache": caches}).by_name[DEPLOYMENT])["spec"]["template"]["spec"]
        return [container["name"] for container in spec.get("initContainers", [])]

    assert first(LOGIN) == ["login"]
    assert first(HUB) == []


def test_priority_and_policy_of_the_registry_are_those_of_its_caches(build: Build, config: dict[str, Any]) -> None:
    more = {"networkPolicy": True, "priorityClass": "system-cluster-critical", "cache": HUB}
    recorded = build({**config, **more}).by_name
    assert inputs(recorded[DEPLOYMENT])["spec"]["template"]["spec"]["priorityClassName"] == "system-cluster-critical"
    policy = inputs(recorded["registry-caches-network-policy"])["spec"]
    assert policy["podSelector"]["matchLabels"] == {"app": "registry-cache"}
    assert [port["port"] for rule in policy["ingress"] for port in rule["ports"]] == [5000]


def test_the_registry_itself_is_the_same_with_a_cache(build: Build, config: dict[str, Any]) -> None:
    without, with_cache = build(config).by_name, build({**config, "cache": HUB}).by_name
    for role in ("namespace", "claim", "deployment", "service"):
        assert inputs(with_cache[f"registry-server-{role}"]) == inputs(without[f"registry-server-{role}"])


def test_a_preview_with_a_cache_registers_the_same_resources(build: Build, config: dict[str, Any]) -> None:
    values = {**config, "cache": LOGIN}
    assert set(build(values, preview=True).names) == set(build(values).names)


def test_the_pod_of_a_cache_comes_after_the_former_one(build: Build, config: dict[str, Any]) -> None:
    rolling = inputs(build({**config, "cache": HUB}).by_name[DEPLOYMENT])["spec"]["strategy"]["rollingUpdate"]
    assert (rolling["maxSurge"], rolling["maxUnavailable"]) == (0, 1)


def test_a_cache_that_does_not_start_is_one_sentence_with_the_command_that_shows_why() -> None:
    settings = parse({**SMALLEST, "namespace": "other", "cache": HUB})
    said = not_ready(settings, "docker.io")
    assert said.startswith("cache.docker.io: the cache did not start; ")
    assert "`kubectl -n other logs deployment/cache-docker-io --all-containers`" in said
