"""The conditions that the stand-in for the Kubernetes plugin waits for, and its messages if they do not occur."""

import pytest

from lab.tests.plugins.kubernetes.api_server.api import UNPULLABLE, KubernetesApi, Pretender
from lab.tests.plugins.kubernetes.api_server.resources import (
    GOOD_IMAGE,
    LOAD_BALANCER,
    add,
    add_claim,
    add_class,
    add_deployment,
    annotate,
)
from lab.tests.plugins.kubernetes.api_server.stack import Stack

pytestmark = pytest.mark.engine


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
    service = add(stack, "service", "core.v1.Service", namespace, spec=LOAD_BALANCER)
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
    annotate(add(stack, "service", "core.v1.Service", namespace, spec=LOAD_BALANCER), skipAwait="true")
    stack.outputs["status"] = ("service", "status")
    assert stack.up().ok

    assert stack.up("--refresh").ok

    assert stack.output("status")["loadBalancer"]["ingress"][0]["ip"] == "10.77.0.200"


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
