"""Manual changes of objects, and how the stand-in for the Kubernetes plugin handles them."""

import pytest

from lab.tests.plugins.kubernetes.api_server.api import KubernetesApi, Pretender, delete_and_wait
from lab.tests.plugins.kubernetes.api_server.resources import SECRET_TEXT, add_deployment, add_secret, annotate
from lab.tests.plugins.kubernetes.api_server.stack import Stack

pytestmark = pytest.mark.engine


def scale(api: KubernetesApi, namespace: str, replicas: int) -> None:
    """Scale a Deployment, as `kubectl scale` does."""
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


def test_an_object_that_is_imported_has_the_inputs_it_would_be_made_with(
    api: KubernetesApi, stack: Stack, namespace: str
) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": namespace}, "data": {"a": "b"}}
    api.client.create(api.kind("ConfigMap"), "default", body, manager="kubectl", dry_run=False)
    what = ("kubernetes:core/v1:ConfigMap", "config", f"default/{namespace}")

    done = stack.pulumi(
        "import", *what, "--yes", "--skip-preview", "--generate-code=false", env={"KUBECONFIG": str(api.kubeconfig)}
    )

    assert done.returncode == 0, done.stdout + done.stderr
    (resource,) = (one for one in stack.resources_in_state() if one["type"] == what[0])
    assert resource["inputs"] == {**body, "metadata": {"name": namespace, "namespace": "default"}}


def test_destroying_what_is_gone_already_succeeds(api: KubernetesApi, stack: Stack, namespace: str) -> None:
    add_secret(stack, namespace)
    assert stack.up().ok
    delete_and_wait(api, "Secret", namespace, "secret")

    step = stack.destroy()

    assert step.ok, step.text
