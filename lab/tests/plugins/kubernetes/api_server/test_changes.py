"""Which changes update an object in place and which replace it, with the stand-in for the Kubernetes plugin."""

import json

import pytest

from lab.tests.plugins.kubernetes.api_server.api import KubernetesApi, Pretender
from lab.tests.plugins.kubernetes.api_server.resources import (
    SECRET_TEXT,
    add,
    add_claim,
    add_deployment,
    add_secret,
    annotate,
)
from lab.tests.plugins.kubernetes.api_server.stack import Stack

pytestmark = pytest.mark.engine


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


def test_another_storage_class_is_planned_as_a_replacement(stack: Stack, namespace: str) -> None:
    claim = add_claim(stack, namespace, "absent")
    annotate(claim, skipAwait="true")
    assert stack.up().ok
    claim["args"]["spec"]["storageClassName"] = "another"

    step = stack.preview("--diff")

    assert step.ops()["claim"] == ["delete-replaced", "replace", "create-replacement"], step.text
    assert '~ storageClassName: "absent" => "another"' in step.text


def test_another_selector_replaces_a_deployment(stack: Stack, namespace: str, pretender: Pretender) -> None:
    del pretender
    deployment = add_deployment(stack, namespace)
    assert stack.up().ok
    spec = deployment["args"]["spec"]
    spec["selector"]["matchLabels"] = spec["template"]["metadata"]["labels"] = {"app": "y"}

    step = stack.up()

    assert step.ok, step.text
    assert step.ops()["deployment"] == ["delete-replaced", "replace", "create-replacement"]


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
