from typing import Any

import pulumi
import pytest
import yaml

from components.config.parse import parse
from components.registry.cluster_dns import refuse_second_blocks, server_block, zones
from components.registry.pod_access import announcement
from tests.config.stack_configs import SMALLEST, with_value
from tests.recordings import Build, Recording, inputs

EVERYTHING: dict[str, Any] = {"names": True, "trustBundle": ["builds", "docker-registry"], "announce": True}
CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
NAMES = ["registry.cube.local", "registry"]


@pytest.fixture
def recording(build: Build, config: dict[str, Any]) -> Recording:
    """The registrations of a stack whose pods get everything."""
    return build({**config, "pods": EVERYTHING})


def test_pods_get_nothing_unless_the_stack_says_so(build: Build, config: dict[str, Any], recording: Recording) -> None:
    added = {
        "registry-pods",
        "registry-pods-names",
        "registry-pods-trust-builds",
        "registry-pods-trust-docker-registry",
        "registry-pods-announcement",
    }
    assert set(recording.names) - set(build(config).names) == added


def test_one_key_of_the_dns_configuration_is_ours(recording: Recording) -> None:
    [patch] = recording.of_type(f"{CONFIG_MAP}Patch").values()
    patched = inputs(patch)
    assert (patched["metadata"]["namespace"], patched["metadata"]["name"]) == ("kube-system", "coredns-custom")
    assert patched["data"] == {"k3s-registry.server": server_block(NAMES, "10.77.0.202")}
    assert "labels" not in patched["metadata"], "the object is the user's"


def test_pods_trust_every_authority_that_nodes_trust(recording: Recording) -> None:
    maps = [inputs(recording.by_name[f"registry-pods-trust-{name}"]) for name in EVERYTHING["trustBundle"]]
    assert [found["metadata"]["namespace"] for found in maps] == EVERYTHING["trustBundle"]
    assert [found["data"] for found in maps] == [{"ca.crt": recording.outputs["trustBundlePem"]}] * 2


def test_only_the_registrys_own_namespace_is_waited_for(recording: Recording) -> None:
    def awaited(name: str) -> bool:
        request = recording.by_name[f"registry-pods-trust-{name}"]
        return "registry-server-namespace" in {recording.name_of(urn) for urn in request.dependencies}

    assert (awaited("docker-registry"), awaited("builds")) == (True, False)


def test_no_proof_waits_for_what_pods_get(recording: Recording) -> None:
    for name in ("control01-trust", "control01-proof"):
        awaited = {recording.name_of(urn) for urn in recording.by_name[name].dependencies}
        assert not any(other.startswith("registry-pods") for other in awaited)


def test_manual_changes_of_what_pods_get_are_overwritten(recording: Recording) -> None:
    found = {**recording.of_type(CONFIG_MAP), **recording.of_type(f"{CONFIG_MAP}Patch")}
    forced = {name: inputs(one)["metadata"]["annotations"]["pulumi.com/patchForce"] for name, one in found.items()}
    assert set(forced.values()) == {"true"}


@pytest.mark.parametrize("address", ["10.77.0.202", "fd00::202"])
def test_all_names_share_one_server_block_with_the_address(address: str) -> None:
    first, *inner = server_block(NAMES, address).splitlines()
    assert first == "registry.cube.local:53 registry:53 {"
    assert f"        {address} registry.cube.local registry" in inner


def test_names_below_ours_are_asked_elsewhere() -> None:
    """Where `hostname` is a whole domain, its other names must not disappear for pods."""
    block = server_block(["cube.local"], "10.77.0.202")
    assert {"fallthrough", "forward . /etc/resolv.conf"} <= {line.strip() for line in block.splitlines()}


@pytest.mark.parametrize(
    ("corefile", "expected"),
    [
        ("a.example {\n  log\n}\nb.example:53 {\n}\n", {"a.example", "b.example"}),
        ("A.example., dns://b.example:53 {\n  hosts {\n    192.0.2.1 c.example\n  }\n}\n", {"a.example", "b.example"}),
        ("# a.example {\ntls://b.example c.example:5353 {\n}\n", set()),
        (server_block(NAMES, "10.77.0.202"), set(NAMES)),
    ],
)
def test_the_zones_of_a_corefile_are_those_of_its_server_blocks(corefile: str, expected: set[str]) -> None:
    assert {zone for zone in zones(corefile) if "." in zone or zone in NAMES} == expected


def test_a_second_server_block_for_one_of_our_names_is_refused() -> None:
    mine = "registry {\n    hosts {\n        192.0.2.1 registry\n    }\n}\n"
    with pytest.raises(pulumi.RunError, match=r"block for registry in key mine\.server"):
        refuse_second_blocks(NAMES, {"mine.server": mine})


@pytest.mark.parametrize("key", ["k3s-registry.server", "mine.override"])
def test_what_is_no_second_server_block_is_accepted(key: str) -> None:
    block, others = "registry {\n}\n", {"other.server": "cube.local {\n}\n"}
    refuse_second_blocks(NAMES, {key: block, **others})
    with pytest.raises(pulumi.RunError, match=r"in key mine\.server"):
        refuse_second_blocks(NAMES, {"mine.server": block, **others})


@pytest.mark.parametrize(
    ("names", "from_pods"),
    [(True, "registry.cube.local:5000"), (False, "registry-service.docker-registry.svc.cluster.local:5000")],
)
def test_the_announcement_sends_pods_where_they_find_the_registry(*, names: bool, from_pods: str) -> None:
    announced = yaml.safe_load(announcement(parse(with_value("pods", {"names": names, "announce": True}))))
    assert announced.pop("help").startswith("https://")
    assert announced == {
        "host": "registry.cube.local:5000",
        "hostFromContainerRuntime": "registry.cube.local:5000",
        "hostFromClusterNetwork": from_pods,
    }


def test_pods_get_nothing_by_default() -> None:
    assert not parse(SMALLEST).pods.anything
    assert all(parse(with_value("pods", {key: value})).pods.anything for key, value in EVERYTHING.items())
