"""Previews, unreachable clusters and unsupported features, with the stand-in for the Kubernetes plugin."""

import json
from pathlib import Path

import pytest

from lab.tests.plugins.kubernetes.api_server.api import KubernetesApi, Pretender
from lab.tests.plugins.kubernetes.api_server.resources import (
    LOAD_BALANCER,
    add,
    add_claim,
    add_class,
    add_deployment,
    add_secret,
)
from lab.tests.plugins.kubernetes.api_server.stack import Stack

pytestmark = pytest.mark.engine


def _kubeconfig(server: str) -> str:
    return json.dumps(
        {
            "current-context": "a",
            "contexts": [{"name": "a", "context": {"cluster": "a"}}],
            "clusters": [{"name": "a", "cluster": {"server": server}}],
        }
    )


def test_everything_is_created_then_unchanged_then_destroyed(
    api: KubernetesApi, stack: Stack, namespace: str, pretender: Pretender
) -> None:
    del pretender
    add_class(stack, f"class-{namespace}")
    add_secret(stack, namespace)
    claim = add_claim(stack, namespace, f"class-{namespace}")
    claim["after"].append(f"class-{namespace}")
    add_deployment(stack, namespace)
    add(stack, "service", "core.v1.Service", namespace, spec=LOAD_BALANCER)
    stack.outputs["status"] = ("service", "status")

    created, unchanged = stack.up(), stack.up("--expect-no-changes")

    assert created.ok, created.text
    assert unchanged.ok, unchanged.text
    assert stack.output("status")["loadBalancer"]["ingress"][0]["ip"] == "10.77.0.200"

    destroyed = stack.destroy()

    assert destroyed.ok, destroyed.text
    assert not api.exists(namespace, "", "Namespace")


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


def test_without_the_cluster_an_update_fails_and_names_it(stack: Stack, tmp_path: Path) -> None:
    stack.provider["kubeconfig"] = str(tmp_path / "none")

    step = stack.up()

    assert not step.ok
    assert f"the Kubernetes cluster is unreachable: {tmp_path / 'none'}" in step.text


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


def test_what_is_not_covered_is_refused_by_name(stack: Stack) -> None:
    add(stack, "patch", "core.v1.NamespacePatch")

    step = stack.preview()

    assert not step.ok
    assert "kubernetes:core/v1:NamespacePatch is not covered by the stand-in" in step.text
