"""The registry with a bucket: no claim, several pods on different nodes, and keys that nobody sees."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest

from components.config.parse import parse
from components.registry.registry import registry_revision
from tests.authority import new_authority
from tests.config.stack_configs import BUCKET, SMALLEST
from tests.recordings import Build, clear_texts, inputs, unwrapped

CA = new_authority().pem
DEPLOYMENT, SECRET = "registry-server-deployment", "registry-server-certificate"


def with_bucket(config: dict[str, Any], s3: Mapping[str, str] = {}, more: Mapping[str, object] = {}) -> dict[str, Any]:
    return {**config, "storage": {"s3": {**BUCKET, **s3}}, **more}


def template(build: Build, config: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = inputs(build(config).by_name[DEPLOYMENT])["spec"]["template"]
    return found


def variables(container: dict[str, Any]) -> dict[str, str | None]:
    return {one["name"]: one.get("value") for one in container["env"]}


def test_a_bucket_takes_the_place_of_the_claim(build: Build, config: dict[str, Any]) -> None:
    recording = build(with_bucket(config))
    assert recording.of_type("kubernetes:core/v1:PersistentVolumeClaim") == {}
    pod = inputs(recording.by_name[DEPLOYMENT])["spec"]["template"]["spec"]
    assert [volume["name"] for volume in pod["volumes"]] == ["certs"]
    assert [mount["name"] for mount in pod["containers"][0]["volumeMounts"]] == ["certs"]
    assert "affinity" not in pod
    assert not recording.by_name["registry-server-namespace"].protect


def test_the_registry_learns_of_the_bucket(build: Build, config: dict[str, Any]) -> None:
    s3 = {"bucket": "007", "endpoint": "https://s3.lan:9000", "rootDirectory": "a/b", "region": "home"}
    [container] = template(build, with_bucket(config, s3))["spec"]["containers"]
    expected = {
        "REGISTRY_STORAGE": "s3",
        "REGISTRY_STORAGE_S3_BUCKET": '"007"',
        "REGISTRY_STORAGE_S3_REGION": '"home"',
        "REGISTRY_STORAGE_S3_REGIONENDPOINT": '"https://s3.lan:9000"',
        "REGISTRY_STORAGE_S3_ROOTDIRECTORY": '"a/b"',
        "REGISTRY_STORAGE_S3_FORCEPATHSTYLE": "true",
        "REGISTRY_STORAGE_DELETE_ENABLED": "true",
        "AWS_SHARED_CREDENTIALS_FILE": "/certs/s3-keys",
    }
    assert expected.items() <= variables(container).items()


def test_pulls_are_not_sent_on_to_the_s3_service(build: Build, config: dict[str, Any]) -> None:
    [container] = template(build, with_bucket(config))["spec"]["containers"]
    assert variables(container)["REGISTRY_STORAGE_REDIRECT_DISABLE"] == "true"


def test_the_port_of_the_nodes_reads_the_same_bucket(build: Build, config: dict[str, Any]) -> None:
    auth = {"auth": {"users": {"alice": "word"}}}
    public, nodes = template(build, with_bucket(config, more=auth))["spec"]["containers"]
    own = {name: value for name, value in variables(public).items() if "STORAGE" in name or name.startswith("AWS")}
    assert own.items() <= variables(nodes).items()
    assert variables(nodes)["REGISTRY_STORAGE_MAINTENANCE_READONLY"] == "{enabled: true}"


def test_the_keys_are_in_a_file_of_the_secret_alone(build: Build, config: dict[str, Any]) -> None:
    recording = build(with_bucket(config))
    written = json.dumps([clear_texts(inputs(request)) for request in recording.by_name.values()])
    for key in (BUCKET["accessKey"], BUCKET["secretKey"]):
        assert key not in written
        assert base64.b64encode(key.encode()).decode() not in written
    data = unwrapped(inputs(recording.by_name[SECRET])["data"])
    file = base64.b64decode(unwrapped(data["s3-keys"])).decode()
    assert (
        file == f"[default]\naws_access_key_id = {BUCKET['accessKey']}\naws_secret_access_key = {BUCKET['secretKey']}\n"
    )
    assert recording.secret_outputs == []


@pytest.mark.parametrize("change", [{"accessKey": "other"}, {"secretKey": "other"}, {"ca": CA}])
def test_other_keys_replace_the_pods(build: Build, config: dict[str, Any], change: dict[str, str]) -> None:
    def annotations(s3: Mapping[str, str] = {}) -> dict[str, str]:
        found: dict[str, str] = template(build, with_bucket(config, s3))["metadata"]["annotations"]
        return found

    assert annotations() == annotations()
    assert annotations() != annotations(change)


def test_the_services_authority_is_added_to_the_public_ones(build: Build, config: dict[str, Any]) -> None:
    recording = build(with_bucket(config, {"ca": CA}))
    pod = inputs(recording.by_name[DEPLOYMENT])["spec"]["template"]["spec"]
    assert variables(pod["containers"][0])["SSL_CERT_FILE"] == "/certs/s3-ca.crt"
    [volume] = pod["volumes"]
    assert {"s3-keys", "s3-ca.crt"} <= {item["path"] for item in volume["secret"]["items"]}


def test_several_pods_run_on_different_nodes_and_end_one_at_a_time(build: Build, config: dict[str, Any]) -> None:
    recording = build(with_bucket(config, more={"replicas": 3}))
    deployment = inputs(recording.by_name[DEPLOYMENT])["spec"]
    assert deployment["replicas"] == 3
    assert deployment["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    [spread] = deployment["template"]["spec"]["topologySpreadConstraints"]
    assert (spread["topologyKey"], spread["maxSkew"]) == ("kubernetes.io/hostname", 1)
    budget = inputs(recording.by_name["registry-server-disruption-budget"])["spec"]
    assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")
    labels = deployment["template"]["metadata"]["labels"]
    assert budget["selector"]["matchLabels"].items() <= labels.items()


def test_one_pod_has_no_disruption_budget(build: Build, config: dict[str, Any]) -> None:
    recording = build(with_bucket(config))
    assert recording.of_type("kubernetes:policy/v1:PodDisruptionBudget") == {}
    assert "topologySpreadConstraints" not in inputs(recording.by_name[DEPLOYMENT])["spec"]["template"]["spec"]


def test_nothing_watches_a_claim_that_does_not_exist(build: Build, config: dict[str, Any]) -> None:
    more = {"monitoring": {"alerts": True, "dashboard": True}}
    recording = build(with_bucket(config, more=more))
    for name in ("alerts", "dashboard"):
        assert "volume_stats" in json.dumps(inputs(build({**config, **more}).by_name[f"registry-monitoring-{name}"]))
        assert "volume_stats" not in json.dumps(inputs(recording.by_name[f"registry-monitoring-{name}"]))


def revision(values: dict[str, Any]) -> str:
    return registry_revision(parse(values, encrypted=["storage"]), ["a"])


def test_images_in_another_place_require_another_proof() -> None:
    places = [
        SMALLEST,
        with_bucket(SMALLEST),
        with_bucket(SMALLEST, {"bucket": "others"}),
        with_bucket(SMALLEST, {"endpoint": "https://s3.lan"}),
        with_bucket(SMALLEST, {"rootDirectory": "a"}),
    ]
    assert len({revision(values) for values in places}) == len(places)


def test_another_pod_beside_the_first_requires_no_other_proof() -> None:
    assert revision(with_bucket(SMALLEST, more={"replicas": 2})) == revision(with_bucket(SMALLEST))
