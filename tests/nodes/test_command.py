import json
from typing import Any

import pytest
from google.protobuf import json_format

from components.nodes import script
from tests.recordings import COMMAND, Build, Recording, inputs, unwrapped


def commands(recording: Recording) -> dict[str, Any]:
    return recording.of_type(COMMAND)


def test_no_private_key_is_sent_to_a_node(build: Build, config: dict[str, Any]) -> None:
    for name, request in commands(build(config)).items():
        stdin = inputs(request)["stdin"]
        assert isinstance(stdin, str), f"{name}: the certificate is public, and a secret stdin would hide the diff"
        assert "PRIVATE KEY" not in stdin


def test_the_command_line_is_constant(build: Build, config: dict[str, Any]) -> None:
    for request in commands(build(config)).values():
        sent = inputs(request)
        assert sent["create"] == sent["update"] == script.command("apply")


def test_only_the_trust_has_something_to_undo(build: Build, config: dict[str, Any]) -> None:
    sent = {name: inputs(request).get("delete") for name, request in commands(build(config)).items()}
    assert sent["cube01-trust"] == script.command("remove")
    assert sent["cube01-proof"] is None


@pytest.mark.parametrize("role", ["trust", "proof"])
def test_all_nodes_share_their_hooks(build: Build, config: dict[str, Any], role: str) -> None:
    """The SDK starts a server for every hook, so many nodes would exhaust the files that a process may open."""
    asked = [request.hooks for name, request in commands(build(config)).items() if name.endswith(role)]
    assert len(asked) == len(config["nodes"])
    assert {tuple(hooks.on_error) for hooks in asked} == {(f"registry-{'nodes' if role == 'trust' else role}-failure",)}
    assert len({tuple(hooks.before_update) for hooks in asked}) == 1


@pytest.mark.parametrize("field", ["triggers", "environment"])
def test_commands_use_no_field_that_replaces_or_that_sshd_refuses(
    build: Build, config: dict[str, Any], field: str
) -> None:
    assert [name for name, request in commands(build(config)).items() if field in inputs(request)] == []


def test_output_of_commands_is_neither_logged_nor_sent_back(build: Build, config: dict[str, Any]) -> None:
    for request in commands(build(config)).values():
        sent = inputs(request)
        assert sent["logging"] == "none"
        assert sent["addPreviousOutputInEnv"] is False


def test_every_host_key_is_pinned(build: Build, config: dict[str, Any]) -> None:
    for name, request in commands(build(config)).items():
        connection = unwrapped(inputs(request)["connection"])
        assert connection["hostKey"].startswith("ssh-ed25519 "), f"{name} would talk to anybody"


def test_a_try_is_not_a_retry(build: Build, config: dict[str, Any]) -> None:
    config["ssh"] = {"dialTries": 3, "dialTimeout": 4}
    connection = unwrapped(inputs(build(config).by_name["cube01-trust"])["connection"])
    assert (connection["dialErrorLimit"], connection["perDialTimeout"]) == (2, 4)


def test_a_jump_host_is_pinned_and_gets_the_same_key(build: Build, config: dict[str, Any]) -> None:
    before = unwrapped(inputs(build(config).by_name["cube01-trust"])["connection"])
    config["ssh"] = {"proxy": {"host": "203.0.113.7", "hostKey": config["nodes"]["cube01"]["hostKey"], "port": 2222}}
    connection = unwrapped(inputs(build(config, private_key="key").by_name["cube01-proof"])["connection"])
    assert unwrapped(connection["proxy"]["privateKey"]) == "key"
    del connection["proxy"]["privateKey"], connection["privateKey"]
    assert connection.pop("proxy") == {
        "host": "203.0.113.7",
        "hostKey": before["hostKey"],
        "user": "root",
        "port": 2222,
        "perDialTimeout": 3,
        "dialErrorLimit": 1,
    }
    assert connection == before, "without a jump host no connection changes"


def test_a_changed_host_is_another_machine(build: Build, config: dict[str, Any]) -> None:
    for name, request in commands(build(config)).items():
        host = config["nodes"][name.rpartition("-")[0]]["host"]
        assert request.deleteBeforeReplace
        assert json_format.MessageToDict(request.replacement_trigger) == host


def test_a_proof_depends_on_its_own_nodes_trust_and_the_registry(build: Build, config: dict[str, Any]) -> None:
    """It depends on no other node."""
    recording = build(config)
    for node in config["nodes"]:
        needed = {recording.name_of(urn) for urn in recording.by_name[f"{node}-proof"].dependencies}
        assert {f"{node}-trust", "registry-server-deployment", "registry-server-service"} <= needed
        others = {f"{other}-{role}" for other in config["nodes"] if other != node for role in ("trust", "proof")}
        assert not needed & others


def test_trust_runs_beside_kubernetes_work(build: Build, config: dict[str, Any]) -> None:
    recording = build(config)
    needed = {recording.name_of(urn) for urn in recording.by_name["cube01-trust"].dependencies}
    assert not {name for name in needed if name.startswith("registry-server")}


def proofs_before(recording: Recording, node: str) -> set[str]:
    """The proofs that a node's trust waits for."""
    waited = {recording.name_of(urn) for urn in recording.by_name[f"{node}-trust"].dependencies}
    return {name.removesuffix("-proof") for name in waited if name.endswith("-proof")}


def test_a_serial_rollout_proves_each_node_before_the_next(build: Build, config: dict[str, Any]) -> None:
    config["rollout"] = "serial"
    recording = build(config)
    chain = [proofs_before(recording, node) for node in ("control01", "cube01", "cube02")]
    assert chain == [set(), {"control01"}, {"cube01"}]


def test_a_serial_rollout_visits_servers_last(build: Build, config: dict[str, Any]) -> None:
    config["rollout"] = "serial"
    config["nodes"]["control01"]["role"] = "server"
    recording = build(config)
    chain = [proofs_before(recording, node) for node in ("cube01", "cube02", "control01")]
    assert chain == [set(), {"cube01"}, {"cube02"}]


def test_a_wave_waits_for_every_proof_of_the_wave_before(build: Build, config: dict[str, Any]) -> None:
    recording = build(config | {"rollout": "waves", "waves": ["2"]})
    waits = {node: proofs_before(recording, node) for node in config["nodes"]}
    assert waits == {"control01": set(), "cube01": set(), "cube02": {"control01", "cube01"}}


def test_a_wave_waits_past_one_that_is_wholly_offline(build: Build, config: dict[str, Any]) -> None:
    config["nodes"]["cube01"]["offline"] = True
    recording = build(config | {"rollout": "waves", "waves": ["1", "2"]})
    assert proofs_before(recording, "cube02") == {"control01"}


def test_only_a_serial_rollout_lets_a_node_restart(build: Build, config: dict[str, Any]) -> None:
    def allowed(rollout: str) -> set[bool]:
        recording = build(config | {"rollout": rollout})
        return {
            "\nrollout=serial\n" in inputs(request)["stdin"]
            for name, request in commands(recording).items()
            if name.endswith("-trust")
        }

    assert [allowed(way) for way in ("parallel", "waves", "serial")] == [{False}, {False}, {True}]


def test_a_node_gets_the_role_that_the_configuration_gives(build: Build, config: dict[str, Any]) -> None:
    config["nodes"]["control01"]["role"] = "server"
    recording = build(config)
    has_role = {name: "\nrole=server\n" in inputs(request)["stdin"] for name, request in commands(recording).items()}
    assert [name for name, has in has_role.items() if has] == ["control01-trust"]


def test_the_order_of_nodes_changes_no_resource(build: Build, config: dict[str, Any]) -> None:
    def sent(recording: Recording) -> dict[str, str]:
        return {name: json.dumps(inputs(request), sort_keys=True) for name, request in commands(recording).items()}

    shuffled = {**config, "nodes": dict(reversed(config["nodes"].items()))}
    assert sent(build(config)) == sent(build(shuffled))


def test_removing_a_node_removes_only_its_resources(build: Build, config: dict[str, Any]) -> None:
    before = set(build(config).names)
    del config["nodes"]["cube02"]
    assert before - set(build(config).names) == {"cube02-trust", "cube02-proof"}


def test_an_offline_node_is_left_as_it_is(build: Build, config: dict[str, Any]) -> None:
    config["nodes"]["cube02"]["offline"] = True
    recording = build(config)
    request = recording.by_name["cube02-trust"]
    assert request.retainOnDelete, "it would be contacted when it is dropped"
    assert {"stdin", "connection"} <= set(request.ignoreChanges), "it would be contacted by a change"
    assert recording.outputs["offlineNodes"] == ["cube02"]


def test_an_offline_node_proves_nothing_and_is_not_among_the_verified(build: Build, config: dict[str, Any]) -> None:
    config["nodes"]["cube02"]["offline"] = True
    recording = build(config)
    assert "cube02-proof" not in recording.by_name
    assert recording.outputs["verifiedNodes"] == ["control01", "cube01"]


def test_objects_that_are_created_anew_are_proved_anew(build: Build, config: dict[str, Any]) -> None:
    def asked(life: int) -> str:
        return str(inputs(build(config, life=life).by_name["cube01-proof"])["stdin"])

    assert asked(1) == asked(1)
    assert asked(1) != asked(2)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("namespace", "images"),
        ("image", "registry:3.1"),
        ("loadBalancer", "servicelb"),
        ("nodeSelector", {"disk": "ssd"}),
        ("storage", {"claimName": "images"}),
        ("service", {"annotations": {"metallb.io/allow-shared-ip": "key"}}),
    ],
)
def test_a_changed_registry_is_proved_again(build: Build, config: dict[str, Any], key: str, value: Any) -> None:
    def asked(values: dict[str, Any]) -> str:
        return str(inputs(build(values).by_name["cube01-proof"])["stdin"])

    assert asked(config) != asked({**config, key: value})
