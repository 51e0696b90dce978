"""The stand-in for the Kubernetes plugin does what was observed of upstream's, with engine and API server real."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.kubernetes_api import UNPULLABLE, KubernetesApi, Pretender, delete_and_wait, running
from tests.lab.stack import Stack

pytestmark = pytest.mark.lab

_NUMBERS = itertools.count(1)
SECRET_TEXT = "cGxhaW4tc2VjcmV0LXZhbHVl"
GOOD_IMAGE = "registry:3"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesApi]:
    with running(tmp_path_factory.mktemp("api")) as api:
        yield api


@pytest.fixture
def namespace() -> str:
    return f"t{next(_NUMBERS)}"


@pytest.fixture
def pretender(api: KubernetesApi, namespace: str) -> Iterator[Pretender]:
    with Pretender(api, namespace) as pretender:
        yield pretender


@pytest.fixture
def stack(api: KubernetesApi, namespace: str, tmp_path: Path) -> Stack:
    stack = Stack(tmp_path, {"kubeconfig": str(api.kubeconfig), "cluster_identifier": "test"})
    stack.resources["namespace"] = {"kind": "core.v1.Namespace", "args": {"metadata": {"name": namespace}}}
    return stack


def add(stack: Stack, name: str, kind: str, namespace: str = "", **args: Any) -> dict[str, Any]:
    """One more resource in the program, whose object has the resource's name."""
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    resource: dict[str, Any] = {"kind": kind, "args": {"metadata": metadata, **args}}
    if namespace:
        resource["after"] = ["namespace"]
    stack.resources[name] = resource
    return resource


def annotate(resource: dict[str, Any], **annotations: str) -> None:
    named = {f"pulumi.com/{key}": value for key, value in annotations.items()}
    resource["args"]["metadata"].setdefault("annotations", {}).update(named)


def add_secret(stack: Stack, namespace: str) -> dict[str, Any]:
    return add(stack, "secret", "core.v1.Secret", namespace, data={"key": SECRET_TEXT})


def add_deployment(stack: Stack, namespace: str, image: str = GOOD_IMAGE) -> dict[str, Any]:
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "x"}},
        "template": {
            "metadata": {"labels": {"app": "x"}},
            "spec": {"containers": [{"name": "c", "image": image}]},
        },
    }
    return add(stack, "deployment", "apps.v1.Deployment", namespace, spec=spec)


def add_claim(stack: Stack, namespace: str, storage_class: str) -> dict[str, Any]:
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": storage_class,
        "resources": {"requests": {"storage": "1Gi"}},
    }
    return add(stack, "claim", "core.v1.PersistentVolumeClaim", namespace, spec=spec)


def add_class(stack: Stack, name: str) -> None:
    add(stack, name, "storage.v1.StorageClass", provisioner="none/none", volume_binding_mode="WaitForFirstConsumer")


def test_everything_is_created_then_unchanged_then_destroyed(
    api: KubernetesApi, stack: Stack, namespace: str, pretender: Pretender
) -> None:
    del pretender
    add_class(stack, f"class-{namespace}")
    add_secret(stack, namespace)
    claim = add_claim(stack, namespace, f"class-{namespace}")
    claim["after"].append(f"class-{namespace}")
    add_deployment(stack, namespace)
    add(
        stack,
        "service",
        "core.v1.Service",
        namespace,
        spec={"type": "LoadBalancer", "selector": {"app": "x"}, "ports": [{"port": 5000}]},
    )
    stack.outputs["status"] = ("service", "status")

    created, unchanged = stack.up(), stack.up("--expect-no-changes")

    assert created.ok, created.text
    assert unchanged.ok, unchanged.text
    assert stack.output("status")["loadBalancer"]["ingress"][0]["ip"] == "10.77.0.200"

    destroyed = stack.destroy()

    assert destroyed.ok, destroyed.text
    assert not api.exists(namespace, "", "Namespace")


def test_changed_data_replaces_a_named_secret_deleting_it_first(stack: Stack, namespace: str) -> None:
    secret = add_secret(stack, namespace)
    assert stack.up().ok
    secret["args"]["data"] = {"key": "b3RoZXI="}

    step = stack.up()

    assert step.ok, step.text
    assert step.ops()["secret"] == ["delete-replaced", "replace", "create-replacement"]


def test_changed_data_of_a_mutable_secret_is_updated_in_place(api: KubernetesApi, stack: Stack, namespace: str) -> None:
    stack.provider["enable_secret_mutable"] = True
    secret = add_secret(stack, namespace)
    assert stack.up().ok
    secret["args"]["data"] = {"other": "b3RoZXI="}

    step = stack.up()

    assert step.ops()["secret"] == ["update"], step.text
    assert api.get("secret", namespace, "Secret")["data"] == {"other": "b3RoZXI="}


def test_a_secrets_data_is_neither_in_the_state_nor_in_a_preview(stack: Stack, namespace: str) -> None:
    add_secret(stack, namespace)
    stack.outputs["data"] = ("secret", "data")

    shown = stack.preview("--diff").text
    step = stack.up()

    assert step.ok, step.text
    assert SECRET_TEXT not in shown + step.text + stack.state() + json.dumps(step.events)


def test_a_changed_pod_template_is_rolled_out(
    api: KubernetesApi, stack: Stack, namespace: str, pretender: Pretender
) -> None:
    del pretender
    deployment = add_deployment(stack, namespace)
    assert stack.up().ok
    deployment["args"]["spec"]["template"]["metadata"]["annotations"] = {"hash": "2"}

    step = stack.up()

    assert step.ops()["deployment"] == ["update"], step.text
    live = api.get("deployment", namespace, "Deployment", "apps/v1")
    assert live["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    assert live["status"]["updatedReplicas"] == live["status"]["availableReplicas"] == 1


def test_a_claim_that_cannot_grow_fails_with_the_api_servers_words_and_going_back_succeeds(
    stack: Stack, namespace: str
) -> None:
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"},
        "storageClassName": f"absent-{namespace}",
        "hostPath": {"path": "/none"},
    }
    add(stack, "volume", "core.v1.PersistentVolume", spec=spec)
    claim = add_claim(stack, namespace, f"absent-{namespace}")
    claim["after"].append("volume")
    created = stack.up()
    assert created.ok, created.text
    claim["args"]["spec"]["resources"]["requests"]["storage"] = "2Gi"

    grown = stack.up()
    claim["args"]["spec"]["resources"]["requests"]["storage"] = "1Gi"
    back = stack.up()

    assert not grown.ok
    assert "only dynamically provisioned pvc can be resized" in grown.text
    assert back.ok, back.text


def test_another_storage_class_is_planned_as_a_replacement(stack: Stack, namespace: str) -> None:
    claim = add_claim(stack, namespace, "absent")
    annotate(claim, skipAwait="true")
    assert stack.up().ok
    claim["args"]["spec"]["storageClassName"] = "another"

    step = stack.preview("--diff")

    assert step.ops()["claim"] == ["delete-replaced", "replace", "create-replacement"], step.text
    assert '~ storageClassName: "absent" => "another"' in step.text


def test_a_claim_whose_class_waits_for_a_pod_is_created_without_waiting(stack: Stack, namespace: str) -> None:
    name = f"class-{namespace}"
    add_class(stack, name)
    add_claim(stack, namespace, name)["after"].append(name)

    step = stack.up()

    assert step.ok, step.text


def test_a_new_address_of_a_service_is_in_the_output_at_once(
    stack: Stack, namespace: str, pretender: Pretender
) -> None:
    del pretender
    spec = {"type": "LoadBalancer", "selector": {"app": "x"}, "ports": [{"port": 5000}]}
    service = add(stack, "service", "core.v1.Service", namespace, spec=spec)
    stack.outputs["status"] = ("service", "status")
    assert stack.up().ok
    service["args"]["metadata"]["annotations"] = {"metallb.io/loadBalancerIPs": "10.77.0.202"}

    step = stack.up()

    assert step.ops()["service"] == ["update"], step.text
    assert stack.output("status")["loadBalancer"]["ingress"][0]["ip"] == "10.77.0.202"


def test_a_service_that_skips_waiting_has_its_address_after_a_refresh(
    stack: Stack, namespace: str, pretender: Pretender
) -> None:
    del pretender
    spec = {"type": "LoadBalancer", "selector": {"app": "x"}, "ports": [{"port": 5000}]}
    annotate(add(stack, "service", "core.v1.Service", namespace, spec=spec), skipAwait="true")
    stack.outputs["status"] = ("service", "status")
    assert stack.up().ok

    assert stack.up("--refresh").ok

    assert stack.output("status")["loadBalancer"]["ingress"][0]["ip"] == "10.77.0.200"


def test_another_selector_replaces_a_deployment(stack: Stack, namespace: str, pretender: Pretender) -> None:
    del pretender
    deployment = add_deployment(stack, namespace)
    assert stack.up().ok
    spec = deployment["args"]["spec"]
    spec["selector"]["matchLabels"] = spec["template"]["metadata"]["labels"] = {"app": "y"}

    step = stack.up()

    assert step.ok, step.text
    assert step.ops()["deployment"] == ["delete-replaced", "replace", "create-replacement"]


def scale(api: KubernetesApi, namespace: str, replicas: int) -> None:
    """As `kubectl scale` does it."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/deployment/scale"
    api.merge(path, {"spec": {"replicas": replicas}})


def test_drift_is_not_seen_without_a_refresh(
    api: KubernetesApi, stack: Stack, namespace: str, pretender: Pretender
) -> None:
    del pretender
    add_secret(stack, namespace)
    add_deployment(stack, namespace)
    assert stack.up().ok
    delete_and_wait(api, "Secret", namespace, "secret")
    scale(api, namespace, 3)

    step = stack.up("--expect-no-changes")

    assert step.ok, step.text


def test_a_refresh_creates_a_deleted_secret_again(api: KubernetesApi, stack: Stack, namespace: str) -> None:
    add_secret(stack, namespace)
    assert stack.up().ok
    delete_and_wait(api, "Secret", namespace, "secret")

    step = stack.up("--refresh")

    assert step.ok, step.text
    assert api.get("secret", namespace, "Secret")["data"] == {"key": SECRET_TEXT}


def test_a_deployment_scaled_by_hand_conflicts_after_a_refresh(
    api: KubernetesApi, stack: Stack, namespace: str, pretender: Pretender
) -> None:
    del pretender
    add_deployment(stack, namespace)
    assert stack.up().ok
    scale(api, namespace, 3)

    step = stack.up("--refresh")

    assert not step.ok
    assert 'Apply failed with 1 conflict: conflict with "kubectl" with subresource "scale"' in step.text
    assert ".spec.replicas" in step.text


def test_patch_force_heals_a_deployment_scaled_by_hand(
    api: KubernetesApi, stack: Stack, namespace: str, pretender: Pretender
) -> None:
    del pretender
    annotate(add_deployment(stack, namespace), patchForce="true")
    assert stack.up().ok
    scale(api, namespace, 3)

    step = stack.up("--refresh")

    assert step.ok, step.text
    assert api.get("deployment", namespace, "Deployment", "apps/v1")["spec"]["replicas"] == 1


def test_an_ignored_change_by_hand_is_left_alone_by_an_update(
    api: KubernetesApi, stack: Stack, namespace: str, pretender: Pretender
) -> None:
    del pretender
    deployment = add_deployment(stack, namespace)
    deployment["ignore_changes"] = ["spec.replicas"]
    assert stack.up().ok
    scale(api, namespace, 2)
    deployment["args"]["spec"]["template"]["metadata"]["annotations"] = {"hash": "2"}

    step = stack.up("--refresh")

    assert step.ok, step.text
    assert api.get("deployment", namespace, "Deployment", "apps/v1")["spec"]["replicas"] == 2


def test_an_image_that_cannot_be_pulled_fails_in_time_with_the_pods_words_and_a_good_one_mends_it(
    stack: Stack, namespace: str, pretender: Pretender
) -> None:
    del pretender
    deployment = add_deployment(stack, namespace, UNPULLABLE)
    deployment["timeouts"] = {"create": "7s", "update": "7s"}

    bad = stack.up()
    deployment["args"]["spec"]["template"]["spec"]["containers"][0]["image"] = GOOD_IMAGE
    deployment["timeouts"] = {"create": "60s", "update": "60s"}
    good = stack.up()

    words = f"[Pod {namespace}/deployment-"
    assert not bad.ok
    assert words in bad.diagnostics("error")
    assert f'[c][ImagePullBackOff] Back-off pulling image "{UNPULLABLE}"' in bad.diagnostics("error")
    assert words in bad.diagnostics("warning")
    assert good.ok, good.text
    assert good.ops()["deployment"] == ["update"]


def test_a_deployment_that_was_not_ready_in_time_is_tried_again_unchanged(
    stack: Stack, namespace: str, pretender: Pretender
) -> None:
    del pretender
    deployment = add_deployment(stack, namespace, UNPULLABLE)
    annotate(deployment, timeoutSeconds="2")
    assert not stack.up().ok

    again = stack.up()

    assert not again.ok
    assert again.ops()["deployment"] == ["update"]


def test_an_object_that_exists_is_not_taken_over(api: KubernetesApi, stack: Stack, namespace: str) -> None:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    api.client.create(api.kind("Namespace"), "", body, manager="kubectl", dry_run=False)

    step = stack.up()

    assert not step.ok
    assert (
        f'was not successfully created by the Kubernetes API server: namespaces "{namespace}" already exists'
        in step.text
    )
    assert "The resource already exists in the cluster. This can happen when:" in step.text


def test_a_namespace_that_is_still_to_be_made_does_not_fail_the_preview(stack: Stack, namespace: str) -> None:
    add_secret(stack, namespace)

    step = stack.preview()

    assert step.ok, step.text


def test_a_preview_shows_what_the_api_server_would_refuse(stack: Stack, namespace: str) -> None:
    assert stack.up().ok
    add(stack, "Not-A-Name", "core.v1.ConfigMap", namespace, data={"a": "b"})

    step = stack.preview()

    assert not step.ok
    assert "a lowercase RFC 1123 subdomain" in step.text


@pytest.mark.parametrize("server", ["", "https://127.0.0.1:1"], ids=["no-kubeconfig", "no-answer"])
def test_a_preview_without_the_cluster_works_and_replaces_nothing(
    stack: Stack, namespace: str, tmp_path: Path, server: str
) -> None:
    add_secret(stack, namespace)
    assert stack.up().ok
    config = tmp_path / "elsewhere"
    if server:
        config.write_text(_kubeconfig(server))
    stack.provider["kubeconfig"] = str(config)
    add(stack, "config", "core.v1.ConfigMap", namespace, data={"a": "b"})

    step = stack.preview("--diff")

    assert step.ok, step.text
    assert step.ops() == {"lab": ["update"], "config": ["create"]}
    assert "~ kubeconfig" in step.text


def _kubeconfig(server: str) -> str:
    return json.dumps(
        {
            "current-context": "a",
            "contexts": [{"name": "a", "context": {"cluster": "a"}}],
            "clusters": [{"name": "a", "cluster": {"server": server}}],
        }
    )


def test_without_the_cluster_an_update_fails_and_names_it(stack: Stack, tmp_path: Path) -> None:
    stack.provider["kubeconfig"] = str(tmp_path / "none")

    step = stack.up()

    assert not step.ok
    assert f"configured Kubernetes cluster is unreachable: {tmp_path / 'none'}" in step.text


def test_without_the_cluster_a_refresh_fails_unless_told_to_drop_its_objects(stack: Stack, tmp_path: Path) -> None:
    assert stack.up().ok
    stack.provider["kubeconfig"] = str(tmp_path / "none")
    assert stack.up().ok

    refused = stack.refresh()
    dropped = stack.refresh(env={"PULUMI_K8S_DELETE_UNREACHABLE": "true"})

    assert not refused.ok
    assert "PULUMI_K8S_DELETE_UNREACHABLE" in refused.text
    assert dropped.ok, dropped.text
    assert '"kubernetes:core/v1:Namespace"' not in stack.state()


def test_another_cluster_identifier_replaces_every_object(stack: Stack) -> None:
    assert stack.up().ok
    stack.provider["cluster_identifier"] = "another"

    step = stack.preview()

    assert "replace" in step.ops()["namespace"], step.text


def test_an_object_without_a_name_gets_one_and_keeps_it(api: KubernetesApi, stack: Stack, namespace: str) -> None:
    add(stack, "config", "core.v1.ConfigMap", namespace, data={"a": "b"})["args"]["metadata"] = {"namespace": namespace}
    stack.outputs["metadata"] = ("config", "metadata")
    assert stack.up().ok
    first = stack.output("metadata")["name"]

    unchanged = stack.up("--expect-no-changes")

    assert unchanged.ok, unchanged.text
    assert api.exists(first, namespace, "ConfigMap")
    assert first.startswith("config-")


def test_a_key_taken_out_of_the_program_is_taken_out_of_the_object(
    api: KubernetesApi, stack: Stack, namespace: str
) -> None:
    config = add(stack, "config", "core.v1.ConfigMap", namespace, data={"a": "b"})
    config["args"]["metadata"]["labels"] = {"one": "1", "two": "2"}
    assert stack.up().ok
    del config["args"]["metadata"]["labels"]["two"]

    step = stack.up()

    assert step.ok, step.text
    assert api.get("config", namespace, "ConfigMap")["metadata"]["labels"] == {"one": "1"}


def test_destroying_what_is_gone_already_succeeds(api: KubernetesApi, stack: Stack, namespace: str) -> None:
    add_secret(stack, namespace)
    assert stack.up().ok
    delete_and_wait(api, "Secret", namespace, "secret")

    step = stack.destroy()

    assert step.ok, step.text


def test_what_is_not_covered_is_refused_by_name(stack: Stack) -> None:
    add(stack, "patch", "core.v1.NamespacePatch")

    step = stack.preview()

    assert not step.ok
    assert "kubernetes:core/v1:NamespacePatch is not covered by the stand-in" in step.text
