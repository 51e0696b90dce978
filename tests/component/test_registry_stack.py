import json
from typing import Any

import pytest
from google.protobuf import json_format

from .conftest import PRIVATE_KEY, SECRET_SIGNATURE, Build, Recording

COMMAND = "command:remote:Command"
OUTPUTS = {
    "schemaVersion",
    "registryHost",
    "registryPort",
    "registryEndpoint",
    "registryUrl",
    "registryIp",
    "imagePrefix",
    "clusterEndpoint",
    "namespace",
    "dockerCertsDir",
    "buildkitConfig",
    "caCertPem",
    "caFingerprintSha256",
    "caNotAfter",
    "serverNotAfter",
    "nodes",
    "trustedNodes",
    "verifiedNodes",
    "offlineNodes",
}


def inputs(request: Any) -> dict[str, Any]:
    plain: dict[str, Any] = json_format.MessageToDict(request.object)
    return plain


def unwrapped(value: Any) -> Any:
    return value["value"] if isinstance(value, dict) and SECRET_SIGNATURE in value else value


def commands(recording: Recording) -> dict[str, Any]:
    return recording.of_type(COMMAND)


def test_each_step_of_the_guide_has_its_resource(build: Build, config: dict[str, Any]) -> None:
    types = [request.type for request in build(config).by_name.values()]
    for token in (
        "kubernetes:core/v1:Namespace",
        "kubernetes:core/v1:PersistentVolumeClaim",
        "tls:index/selfSignedCert:SelfSignedCert",
        "kubernetes:core/v1:Secret",
        "kubernetes:apps/v1:Deployment",
        "kubernetes:core/v1:Service",
    ):
        assert types.count(token) == 1, f"{token} stands for one step of the guide"
    assert types.count(COMMAND) == 6, "each of three nodes is told once and proves itself once"


def test_every_resource_has_a_parent_within_the_stacks_component(build: Build, config: dict[str, Any]) -> None:
    recording = build(config)
    outside = {
        name
        for name, request in recording.by_name.items()
        if recording.name_of(request.parent) not in recording.by_name
    }
    assert outside == {"registry"}


def test_children_of_a_component_begin_with_its_name_and_those_of_a_node_with_the_nodes(
    build: Build, config: dict[str, Any]
) -> None:
    recording = build(config)
    for name, request in recording.by_name.items():
        if name == "registry":
            continue
        owner = recording.name_of(request.parent) if request.type != COMMAND else name.rpartition("-")[0]
        assert name.startswith(f"{owner}-"), f"{name} must say whose it is"


def test_names_are_unique(build: Build, config: dict[str, Any]) -> None:
    names = build(config).names
    assert len(names) == len(set(names))


def test_private_keys_go_in_as_secrets_only(build: Build, config: dict[str, Any]) -> None:
    recording = build(config, private_key=PRIVATE_KEY)

    def clear_texts(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [] if SECRET_SIGNATURE in value else [text for item in value.values() for text in clear_texts(item)]
        if isinstance(value, list):
            return [text for item in value for text in clear_texts(item)]
        return [value] if isinstance(value, str) else []

    for name, request in recording.by_name.items():
        leaked = [text for text in clear_texts(inputs(request)) if "PRIVATE KEY" in text]
        assert leaked == [], f"{name} carries a private key in clear"


def test_the_http_secret_goes_in_as_a_secret(build: Build, config: dict[str, Any]) -> None:
    data = inputs(build(config).by_name["registry-server-certificate"])["data"]
    whole = SECRET_SIGNATURE in data
    assert whole or SECRET_SIGNATURE in data["http.secret"]


def test_no_private_key_is_sent_to_a_node(build: Build, config: dict[str, Any]) -> None:
    for name, request in commands(build(config)).items():
        stdin = inputs(request)["stdin"]
        assert isinstance(stdin, str), f"{name}: the certificate is public, and a secret stdin would hide the diff"
        assert "PRIVATE KEY" not in stdin


def test_the_command_line_is_constant(build: Build, config: dict[str, Any]) -> None:
    for request in commands(build(config)).values():
        sent = inputs(request)
        assert sent["create"] == sent["update"] == "sudo -n sh -s -- apply"


def test_only_the_trust_has_something_to_undo(build: Build, config: dict[str, Any]) -> None:
    sent = {name: inputs(request).get("delete") for name, request in commands(build(config)).items()}
    assert sent["cube01-trust"] == "sudo -n sh -s -- remove"
    assert sent["cube01-proof"] is None


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


def test_a_changed_host_is_another_machine(build: Build, config: dict[str, Any]) -> None:
    for name, request in commands(build(config)).items():
        host = config["nodes"][name.rpartition("-")[0]]["host"]
        assert request.deleteBeforeReplace
        assert json_format.MessageToDict(request.replacement_trigger) == host


def test_a_proof_needs_its_own_nodes_trust_and_the_registry_and_no_other_node(
    build: Build, config: dict[str, Any]
) -> None:
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


def test_a_serial_rollout_visits_one_node_after_another(build: Build, config: dict[str, Any]) -> None:
    config["rollout"] = "serial"
    recording = build(config)
    chain = {
        name: [d for d in map(recording.name_of, recording.by_name[name].dependencies) if d.endswith("-trust")]
        for name in ("control01-trust", "cube01-trust", "cube02-trust")
    }
    assert chain == {"control01-trust": [], "cube01-trust": ["control01-trust"], "cube02-trust": ["cube01-trust"]}


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


def test_the_issuer_alone_is_protected_so_that_a_generation_can_be_dropped(
    build: Build, config: dict[str, Any]
) -> None:
    config["certificates"] = {"authorities": ["one", "two"], "issuer": "two"}
    recorded = build(config).by_name
    protected = {name for name, request in recorded.items() if name.startswith("registry-certif") and request.protect}
    assert protected == {"registry-certificates-authority-two", "registry-certificates-authority-two-key"}
    config["certificates"]["protect"] = False
    assert not any(request.protect for name, request in build(config).by_name.items() if "authority" in name)


def test_an_authority_ignores_every_change_of_plan(build: Build, config: dict[str, Any]) -> None:
    name = "registry-certificates-authority-one"
    recorded = build(config).by_name
    certificate, key = recorded[name], recorded[f"{name}-key"]
    assert set(inputs(certificate)) - {"privateKeyPem", "isCaCertificate"} <= set(certificate.ignoreChanges)
    assert "ecdsaCurve" in key.ignoreChanges


def test_the_claim_is_protected_as_the_stack_says(build: Build, config: dict[str, Any]) -> None:
    for name in ("registry-server-claim", "registry-server-namespace"):
        assert build(config).by_name[name].protect, f"{name}: the images would go with it"
        assert not build({**config, "storage": {"protect": False}}).by_name[name].protect


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("namespace", "images"),
        ("image", "registry:3.1"),
        ("loadBalancer", "servicelb"),
        ("nodeSelector", {"disk": "ssd"}),
        ("storage", {"claimName": "images"}),
    ],
)
def test_another_registry_is_proved_anew(build: Build, config: dict[str, Any], key: str, value: Any) -> None:
    def asked(values: dict[str, Any]) -> str:
        return str(inputs(build(values).by_name["cube01-proof"])["stdin"])

    assert asked(config) != asked({**config, key: value})


def test_the_old_registry_is_gone_before_the_new_one_is_proved(build: Build, config: dict[str, Any]) -> None:
    recording = build(config)
    for role in ("namespace", "certificate", "deployment", "service"):
        assert recording.by_name[f"registry-server-{role}"].deleteBeforeReplace, f"nodes would prove the old {role}"


def test_an_existing_namespace_is_used_as_it_is(build: Build, config: dict[str, Any]) -> None:
    config["createNamespace"] = False
    recording = build(config)
    assert recording.of_type("kubernetes:core/v1:Namespace") == {}
    assert inputs(recording.by_name["registry-server-claim"])["metadata"]["namespace"] == "docker-registry"


def test_objects_are_forced_back_to_what_the_stack_says(build: Build, config: dict[str, Any]) -> None:
    for name, request in build(config).by_name.items():
        if request.type.startswith("kubernetes:"):
            annotations = inputs(request)["metadata"]["annotations"]
            assert annotations["pulumi.com/patchForce"] == "true", f"{name}: one `kubectl scale` would end every `up`"


@pytest.mark.parametrize(
    ("load_balancer", "wanted"),
    [
        ("metallb", {"type": "LoadBalancer", "loadBalancerIP": "10.77.0.202"}),
        ("servicelb", {"type": "LoadBalancer"}),
        ("none", {"type": "ClusterIP", "externalIPs": ["10.77.0.202"]}),
    ],
)
def test_the_address_is_asked_from_whoever_gives_it(
    build: Build, config: dict[str, Any], load_balancer: str, wanted: dict[str, Any]
) -> None:
    config["loadBalancer"] = load_balancer
    spec = inputs(build(config).by_name["registry-server-service"])["spec"]
    assert {key: spec.get(key) for key in ("type", "loadBalancerIP", "externalIPs") if key in spec} == wanted


def test_the_certificate_carries_every_name_and_the_address(build: Build, config: dict[str, Any]) -> None:
    request = inputs(build(config).by_name["registry-certificates-server-request"])
    assert request["ipAddresses"] == ["10.77.0.202"]
    assert {"registry.cube.local", "registry", "registry-service.docker-registry.svc"} <= set(request["dnsNames"])


def test_the_issuer_signs_and_every_authority_is_trusted(build: Build, config: dict[str, Any]) -> None:
    config["certificates"] = {"authorities": ["one", "two"], "issuer": "two"}
    recording = build(config)
    signer = {recording.name_of(urn) for urn in recording.by_name["registry-certificates-server"].dependencies}
    assert "registry-certificates-authority-two" in signer
    assert "registry-certificates-authority-one" not in signer
    trusted = {recording.name_of(urn) for urn in recording.by_name["cube01-trust"].dependencies}
    assert {"registry-certificates-authority-one", "registry-certificates-authority-two"} <= trusted


def test_the_outputs_are_the_contract(build: Build, config: dict[str, Any]) -> None:
    assert set(build(config).outputs) == OUTPUTS


def test_no_output_is_or_holds_a_secret(build: Build, config: dict[str, Any]) -> None:
    recording = build(config, private_key=PRIVATE_KEY)
    assert recording.secret_outputs == []
    assert "PRIVATE KEY" not in json.dumps(recording.outputs)


def test_nodes_are_reported_with_what_they_pulled(build: Build, config: dict[str, Any]) -> None:
    outputs = build(config).outputs
    assert outputs["nodes"]["cube01"] == {"trustRevision": "r1", "pulledDigest": "sha256:d1"}
    assert outputs["verifiedNodes"] == ["control01", "cube01", "cube02"]


def test_a_preview_that_knows_nothing_yet_registers_the_same_resources(build: Build, config: dict[str, Any]) -> None:
    assert set(build(config, preview=True).names) == set(build(config).names)
