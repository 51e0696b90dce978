import json
from typing import Any

import pytest

from tests.authority import new_authority
from tests.recordings import COMMAND, PRIVATE_KEY, SECRET_SIGNATURE, Build, clear_texts, inputs, unwrapped

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
    "trustBundlePem",
    "caFingerprintSha256",
    "caNotAfter",
    "serverNotAfter",
    "nodes",
    "trustedNodes",
    "verifiedNodes",
    "offlineNodes",
    "unlistedNodes",
    "pushConfigs",
}


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
        assert types.count(token) == 1, f"{token} must exist once, for one step of the guide"
    assert types.count(COMMAND) == 6, "each of three nodes is configured once and proves itself once"


def test_every_resource_has_a_parent_within_the_stacks_component(build: Build, config: dict[str, Any]) -> None:
    recording = build(config)
    outside = {
        name
        for name, request in recording.by_name.items()
        if recording.name_of(request.parent) not in recording.by_name
    }
    assert outside == {"registry"}


def test_children_are_named_after_their_component(build: Build, config: dict[str, Any]) -> None:
    """A node's resources are named after the node instead."""
    recording = build(config)
    for name, request in recording.by_name.items():
        if name == "registry":
            continue
        owner = recording.name_of(request.parent) if request.type != COMMAND else name.rpartition("-")[0]
        assert name.startswith(f"{owner}-"), f"{name} must say whose it is"


def test_names_are_unique(build: Build, config: dict[str, Any]) -> None:
    names = build(config).names
    assert len(names) == len(set(names))


def test_private_keys_are_inputs_only_as_secrets(build: Build, config: dict[str, Any]) -> None:
    recording = build(config, private_key=PRIVATE_KEY)

    for name, request in recording.by_name.items():
        leaked = [text for text in clear_texts(inputs(request)) if "PRIVATE KEY" in text]
        assert leaked == [], f"{name} contains a private key in plain text"


def test_the_http_secret_goes_in_as_a_secret(build: Build, config: dict[str, Any]) -> None:
    data = inputs(build(config).by_name["registry-server-certificate"])["data"]
    whole = SECRET_SIGNATURE in data
    assert whole or SECRET_SIGNATURE in data["http.secret"]


def test_only_the_issuer_is_protected(build: Build, config: dict[str, Any]) -> None:
    """Another generation can be dropped without a step before it."""
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


def test_the_old_registry_is_deleted_before_the_new_one_is_proved(build: Build, config: dict[str, Any]) -> None:
    recording = build(config)
    for role in ("namespace", "certificate", "deployment", "service"):
        assert recording.by_name[f"registry-server-{role}"].deleteBeforeReplace, f"nodes would prove the old {role}"


def test_an_existing_namespace_is_used_as_it_is(build: Build, config: dict[str, Any]) -> None:
    config["createNamespace"] = False
    recording = build(config)
    assert recording.of_type("kubernetes:core/v1:Namespace") == {}
    assert inputs(recording.by_name["registry-server-claim"])["metadata"]["namespace"] == "docker-registry"


def test_manual_changes_of_objects_are_overwritten(build: Build, config: dict[str, Any]) -> None:
    for name, request in build(config).by_name.items():
        if request.type.startswith("kubernetes:"):
            annotations = inputs(request)["metadata"]["annotations"]
            assert annotations["pulumi.com/patchForce"] == "true", f"{name}: one `kubectl scale` would end every `up`"


def test_further_names_are_in_the_certificate_and_on_no_node(build: Build, config: dict[str, Any]) -> None:
    former = inputs(build(config).by_name["registry-certificates-server-request"])
    config["certificates"] = {"names": ["*.cube.local", "10.77.0.203", "10.77.0.202", "registry"]}
    recording = build(config)
    request = inputs(recording.by_name["registry-certificates-server-request"])
    assert request["dnsNames"] == [*former["dnsNames"], "*.cube.local"]
    assert (former["ipAddresses"], request["ipAddresses"]) == (["10.77.0.202"], ["10.77.0.202", "10.77.0.203"])
    assert "*.cube.local" not in inputs(recording.by_name["cube01-trust"])["stdin"]


def test_annotations_of_the_service_are_added_to_the_stacks_own(build: Build, config: dict[str, Any]) -> None:
    def annotations() -> dict[str, str]:
        found: dict[str, str] = inputs(build(config).by_name["registry-server-service"])["metadata"]["annotations"]
        return found

    own = annotations()
    config["service"] = {"annotations": {"metallb.io/allow-shared-ip": "key", "pulumi.com/skipAwait": "false"}}
    assert annotations() == {**own, "metallb.io/allow-shared-ip": "key"}


@pytest.mark.parametrize(
    ("load_balancer", "wanted"),
    [
        ("metallb", {"type": "LoadBalancer", "loadBalancerIP": "10.77.0.202"}),
        ("servicelb", {"type": "LoadBalancer"}),
        ("none", {"type": "ClusterIP", "externalIPs": ["10.77.0.202"]}),
    ],
)
def test_the_load_balancer_is_asked_for_the_address(
    build: Build, config: dict[str, Any], load_balancer: str, wanted: dict[str, Any]
) -> None:
    config["loadBalancer"] = load_balancer
    spec = inputs(build(config).by_name["registry-server-service"])["spec"]
    assert {key: spec.get(key) for key in ("type", "loadBalancerIP", "externalIPs") if key in spec} == wanted


def test_an_address_of_the_new_protocol_is_asked_for_by_its_family(build: Build, config: dict[str, Any]) -> None:
    config["ip"] = "fd00::202"
    assert inputs(build(config).by_name["registry-server-service"])["spec"]["ipFamilies"] == ["IPv6"]


def test_the_certificate_contains_every_name_and_the_address(build: Build, config: dict[str, Any]) -> None:
    request = inputs(build(config).by_name["registry-certificates-server-request"])
    assert request["ipAddresses"] == ["10.77.0.202"]
    assert {"registry.cube.local", "registry", "registry-service.docker-registry.svc"} <= set(request["dnsNames"])


def test_the_issuer_signs_and_every_authority_is_trusted(build: Build, config: dict[str, Any]) -> None:
    config["certificates"] = {"authorities": ["one", "two"], "issuer": "two"}
    recording = build(config)
    server = recording.by_name["registry-certificates-server"]
    keys = {recording.name_of(urn) for urn in server.propertyDependencies["caPrivateKeyPem"].urns}
    assert keys == {"registry-certificates-authority-two-key"}
    trusted = {recording.name_of(urn) for urn in recording.by_name["cube01-trust"].dependencies}
    assert {"registry-certificates-authority-one", "registry-certificates-authority-two"} <= trusted


def test_an_external_authority_signs_with_its_own_key(build: Build, config: dict[str, Any]) -> None:
    house = new_authority()
    config["certificates"] = {"authorities": ["house"], "external": "house"}
    recording = build(
        {**config, "caCertificate": house.pem, "caPrivateKey": house.key_pem}, preview=True, authority_key=house.key_pem
    )
    server = inputs(recording.by_name["registry-certificates-server"])
    assert unwrapped(server["caPrivateKeyPem"]) == house.key_pem
    assert server["caCertPem"] == house.pem
    assert recording.outputs["trustBundlePem"] == house.pem
    assert recording.of_type("tls:index/selfSignedCert:SelfSignedCert") == {}


def test_the_outputs_are_the_contract(build: Build, config: dict[str, Any]) -> None:
    assert set(build(config).outputs) == OUTPUTS


def test_the_addresses_among_the_outputs_follow_from_the_configuration(build: Build, config: dict[str, Any]) -> None:
    outputs = build({**config, "port": 5001, "namespace": "images"}).outputs
    expected = {
        "registryHost": "registry.cube.local",
        "registryPort": 5001,
        "registryEndpoint": "registry.cube.local:5001",
        "registryUrl": "https://registry.cube.local:5001",
        "registryIp": "10.77.0.202",
        "imagePrefix": "registry.cube.local:5001/openfaas",
        "clusterEndpoint": "registry-service.images.svc.cluster.local:5001",
        "namespace": "images",
        "dockerCertsDir": "/etc/docker/certs.d/registry.cube.local:5001",
    }
    assert {name: outputs[name] for name in expected} == expected


def test_no_output_is_or_holds_a_secret(build: Build, config: dict[str, Any]) -> None:
    recording = build(config, private_key=PRIVATE_KEY)
    assert recording.secret_outputs == []
    assert "PRIVATE KEY" not in json.dumps(recording.outputs)


def test_nodes_are_reported_with_their_digests(build: Build, config: dict[str, Any]) -> None:
    outputs = build(config).outputs
    assert outputs["nodes"]["cube01"] == {"trustRevision": "r1", "pulledDigest": "sha256:d1"}
    assert outputs["verifiedNodes"] == ["control01", "cube01", "cube02"]


def test_a_preview_that_knows_nothing_yet_registers_the_same_resources(build: Build, config: dict[str, Any]) -> None:
    assert set(build(config, preview=True).names) == set(build(config).names)
