"""The registry's list of users, and the steps in which passwords become required."""

import base64
import json
from itertools import product
from typing import Any

import bcrypt
import pulumi
import pytest

from components.config.auth import AuthSettings
from components.config.parse import parse
from components.registry.passwords import (
    PasswordsGuard,
    Stage,
    deployed_stage,
    docker_configs,
    htpasswd,
    proof_login,
    proof_password,
    published_authority,
    too_far,
)
from components.registry.registry import registry_revision
from tests.config.stack_configs import SMALLEST
from tests.recordings import PRIVATE_KEY, Build, clear_texts, inputs

USERS = {"bob": "second word", "alice": "first wörd"}


def hashes(server_key: str = "key") -> dict[str, str]:
    return dict(line.split(":") for line in htpasswd(USERS, server_key).splitlines())


def test_every_user_gets_in_with_the_password_and_with_no_other() -> None:
    found = hashes()
    for name, password in {**USERS, "k3s-registry-proof": proof_password("key")}.items():
        assert bcrypt.checkpw(password.encode(), found[name].encode())
        assert not bcrypt.checkpw(b"another", found[name].encode())


def test_the_hashes_are_the_same_each_time_and_differ_by_user_and_server_key() -> None:
    assert htpasswd(USERS, "key") == htpasswd(dict(reversed(USERS.items())), "key")
    assert hashes()["alice"] != hashes("other")["alice"]
    salts = {line.rpartition("$")[2][:22] for line in hashes().values()}
    assert len(salts) == len(USERS) + 1


def test_the_proofs_password_is_stable_and_tells_nothing_of_the_key() -> None:
    assert proof_password("key") == proof_password("key") != proof_password("other")
    assert proof_login("key") == f"k3s-registry-proof:{proof_password('key')}"


def test_a_docker_configuration_names_every_spelling_of_the_registry() -> None:
    document = json.loads(docker_configs(USERS, ["r:443", "r"])["alice"])
    login = base64.b64encode("alice:first wörd".encode()).decode()
    assert document == {"auths": {"r:443": {"auth": login}, "r": {"auth": login}}}


def test_the_output_names_the_registry_as_nodes_and_as_pods_do(build: Build, config: dict[str, Any]) -> None:
    document = json.loads(build(with_auth(config)).outputs["pushConfigs"]["alice"])
    inside = "registry-service.docker-registry.svc.cluster.local:5000"
    assert set(document["auths"]) == {"registry.cube.local:5000", inside}


@pytest.mark.parametrize(("found", "wanted"), [*product(Stage, Stage)])
def test_no_up_takes_more_than_one_step(found: Stage, wanted: Stage) -> None:
    assert (too_far(found, wanted) is None) == (abs(found - wanted) <= 1)


def with_auth(config: dict[str, Any], **section: Any) -> dict[str, Any]:
    return {**config, "auth": {"users": USERS, **section}}


def test_the_stage_is_read_from_the_deployments_own_inputs(build: Build, config: dict[str, Any]) -> None:
    stages = {
        Stage.OPEN: config,
        Stage.BOTH: with_auth(config, anonymous=True),
        Stage.CLOSED: with_auth(config),
    }
    for stage, values in stages.items():
        assert deployed_stage(inputs(build(values).by_name["registry-server-deployment"])) is stage
    assert deployed_stage(None) is Stage.OPEN


@pytest.mark.parametrize(("former", "closes"), [("both", True), ("closed", False)])
def test_the_guard_knows_the_up_from_which_on_passwords_are_required(
    build: Build, config: dict[str, Any], former: str, *, closes: bool
) -> None:
    guard = PasswordsGuard(AuthSettings.model_validate({"users": USERS}))
    assert not guard.closes
    before = inputs(build(with_auth(config, anonymous=former == "both")).by_name["registry-server-deployment"])
    guard.judge(pulumi.ResourceHookArgs("urn", "id", "name", "type", old_inputs=before))
    assert guard.closes is closes
    with pytest.raises(pulumi.RunError, match=r"set auth\.anonymous to true"):
        guard.judge(
            pulumi.ResourceHookArgs("urn", "id", "name", "type", old_inputs=inputs_without_users(build, config))
        )


def inputs_without_users(build: Build, config: dict[str, Any]) -> dict[str, Any]:
    return inputs(build(config).by_name["registry-server-deployment"])


def test_another_stage_requires_another_proof_and_no_users_change_nothing() -> None:
    open_, both, closed = (
        parse({**SMALLEST, **auth}, encrypted=["auth"])
        for auth in ({}, {"auth": {"users": USERS, "anonymous": True}}, {"auth": {"users": USERS}})
    )
    assert len({registry_revision(config, ["a"]) for config in (open_, both, closed)}) == 3


def test_without_users_the_registry_has_one_container_one_port_and_no_list_of_users(
    build: Build, config: dict[str, Any]
) -> None:
    recorded = build(config).by_name
    spec = inputs(recorded["registry-server-deployment"])["spec"]["template"]
    assert [container["name"] for container in spec["spec"]["containers"]] == ["registry"]
    assert not any("passwords" in name for name in spec["metadata"]["annotations"])
    assert len(inputs(recorded["registry-server-service"])["spec"]["ports"]) == 1
    assert "htpasswd" not in str(inputs(recorded["registry-server-certificate"]))


def test_no_password_is_an_input_or_an_output_in_plain_text(build: Build, config: dict[str, Any]) -> None:
    recording = build(with_auth(config))
    for name, request in recording.by_name.items():
        texts = clear_texts(inputs(request))
        for secret in (*USERS.values(), proof_password(PRIVATE_KEY), "$2b$"):
            assert not [text for text in texts if secret in text], f"{name} contains a password in plain text"
    assert recording.secret_outputs == ["pushConfigs"]
    assert set(recording.outputs["pushConfigs"]) == set(USERS)


def test_only_the_proof_is_hidden_and_only_where_there_are_users(build: Build, config: dict[str, Any]) -> None:
    for values, hidden in ((with_auth(config), True), (with_auth(config, anonymous=True), True), (config, False)):
        recorded = build(values).by_name
        assert isinstance(inputs(recorded["cube01-trust"])["stdin"], str)
        template = inputs(recorded["registry-server-deployment"])["spec"]["template"]
        assert all(isinstance(text, str) for text in template["metadata"]["annotations"].values())
        assert isinstance(inputs(recorded["cube01-proof"])["stdin"], str) is not hidden


def test_nodes_come_after_the_port_that_they_are_sent_to(build: Build, config: dict[str, Any]) -> None:
    def waits(values: dict[str, Any]) -> bool:
        recording = build(values)
        after = {recording.name_of(urn) for urn in recording.by_name["cube01-trust"].dependencies}
        return {"registry-server-deployment", "registry-server-service"} <= after

    assert waits(with_auth(config))
    assert not waits(config)


def test_a_preview_with_passwords_registers_the_same_resources(build: Build, config: dict[str, Any]) -> None:
    values = with_auth(config)
    assert set(build(values, preview=True).names) == set(build(values).names)


def test_a_cluster_that_publishes_no_authority_for_clients_is_refused() -> None:
    for data in (None, {}, {"requestheader-client-ca-file": "x"}):
        with pytest.raises(pulumi.RunError, match="found no client-ca-file in ConfigMap kube-system/"):
            published_authority(data)


def test_a_network_policy_leaves_the_nodes_port_open(build: Build, config: dict[str, Any]) -> None:
    def ports(values: dict[str, Any]) -> list[int]:
        [rule] = inputs(build({**values, "networkPolicy": True}).by_name["registry-server-network-policy"])["spec"][
            "ingress"
        ]
        return [port["port"] for port in rule["ports"]]

    assert ports(config) == [5000]
    assert ports(with_auth(config)) == [5000, 5002]
