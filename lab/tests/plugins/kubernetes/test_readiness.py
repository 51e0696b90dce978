"""When the stand-in for the Kubernetes plugin regards an object as ready, and its messages until then."""

from typing import Any

import pytest

from lab.plugins.kubernetes import readiness

Object = dict[str, Any]

REVISION = "deployment.kubernetes.io/revision"


def _deployment(*, revision: str = "1", available: str = "True", rolled_out: bool = True, observed: int = 2) -> Object:
    reason = "NewReplicaSetAvailable" if rolled_out else "ReplicaSetUpdated"
    return {
        "kind": "Deployment",
        "metadata": {
            "name": "app",
            "namespace": "here",
            "uid": "d",
            "generation": 2,
            "annotations": {REVISION: revision},
        },
        "spec": {"replicas": 1},
        "status": {
            "observedGeneration": observed,
            "conditions": [
                {
                    "type": "Available",
                    "status": available,
                    "reason": "MinimumReplicasUnavailable",
                    "message": "Deployment does not have minimum availability.",
                },
                {"type": "Progressing", "status": "True", "reason": reason, "message": ""},
            ],
        },
    }


def _replica_set(*, revision: str = "1", wanted: int = 1, ready: int = 1) -> Object:
    return {
        "metadata": {
            "name": "app-1",
            "uid": "r",
            "annotations": {REVISION: revision},
            "ownerReferences": [{"uid": "d"}],
        },
        "spec": {"replicas": wanted},
        "status": {"readyReplicas": ready},
    }


def _pod(**status: Any) -> Object:
    return {
        "kind": "Pod",
        "metadata": {"name": "app-1-x", "namespace": "here", "ownerReferences": [{"uid": "r"}]},
        "status": {"phase": "Pending", **status},
    }


UNREADY = {"type": "Ready", "status": "False", "reason": "ContainersNotReady"}


def _waiting(reason: str, message: str) -> Object:
    return _pod(
        conditions=[{**UNREADY, "message": "containers with unready status: [c]"}],
        containerStatuses=[{"name": "c", "ready": False, "state": {"waiting": {"reason": reason, "message": message}}}],
    )


def test_a_deployment_whose_replica_set_is_complete_is_ready() -> None:
    assert readiness.deployment(_deployment(), [_replica_set()], [], []).ready


def test_a_deployment_that_its_controller_has_not_seen_yet_is_not_ready() -> None:
    assert not readiness.deployment(_deployment(observed=1), [_replica_set()], [], []).ready


def test_a_deployment_without_minimum_availability_is_not_ready() -> None:
    progress = readiness.deployment(_deployment(available="False"), [_replica_set(ready=0)], [], [])

    assert progress.warnings == ("[MinimumReplicasUnavailable] Deployment does not have minimum availability.",)


def test_a_later_revision_is_not_ready_before_its_rollout_is_complete() -> None:
    obj = _deployment(revision="2", rolled_out=False)

    assert not readiness.deployment(obj, [_replica_set(revision="2")], [], []).ready


def test_the_replica_set_of_a_former_revision_does_not_count() -> None:
    assert not readiness.deployment(_deployment(revision="2"), [_replica_set(revision="1")], [], []).ready


def test_a_replica_set_of_another_deployment_does_not_count() -> None:
    other = _replica_set()
    other["metadata"]["ownerReferences"] = [{"uid": "other"}]

    assert not readiness.deployment(_deployment(), [other], [], []).ready


def test_a_deployment_scaled_to_nothing_is_ready() -> None:
    assert readiness.deployment(_deployment(), [_replica_set(wanted=0, ready=0)], [], []).ready


def test_a_deployment_waits_for_its_claims() -> None:
    claim = {"metadata": {"name": "data"}, "status": {"phase": "Pending"}}

    progress = readiness.deployment(_deployment(), [_replica_set()], [], [claim])

    assert progress.warnings == ("[PersistentVolumeClaim data]: not bound yet (Pending)",)


def test_the_claims_of_a_deployment_are_those_its_pods_mount() -> None:
    volumes = [{"name": "a", "emptyDir": {}}, {"name": "b", "persistentVolumeClaim": {"claimName": "data"}}]

    assert readiness.claim_names({"spec": {"template": {"spec": {"volumes": volumes}}}}) == ("data",)


def test_an_image_that_cannot_be_pulled_is_told_in_the_pods_own_words() -> None:
    pod = _waiting("ImagePullBackOff", 'Back-off pulling image "nowhere/none:1"')

    progress = readiness.deployment(_deployment(available="False"), [_replica_set(ready=0)], [pod], [])

    assert progress.warnings[-1] == (
        "[Pod here/app-1-x]: containers with unready status: [c]"
        '[ImagePullBackOff] Back-off pulling image "nowhere/none:1"'
    )


def test_a_pod_that_fits_on_no_node_says_why() -> None:
    message = "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}

    assert readiness.pod_warnings(_pod(conditions=[condition])) == [f"[Pod here/app-1-x]: {message}"]


def test_a_container_that_keeps_dying_says_how() -> None:
    last = {"exitCode": 2, "reason": "Error", "finishedAt": "2026-01-01T00:00:00Z"}
    status = {
        "name": "c",
        "ready": False,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
        "lastState": {"terminated": last},
    }

    (warning,) = readiness.pod_warnings(_pod(conditions=[UNREADY], containerStatuses=[status]))

    assert "[CrashLoopBackOff] back-off 10s" in warning
    assert "exit code 2" in warning


def test_a_container_that_is_being_created_is_no_warning() -> None:
    pod = _pod(
        conditions=[{"type": "Ready", "status": "False"}],
        containerStatuses=[{"name": "c", "ready": False, "state": {"waiting": {"reason": "ContainerCreating"}}}],
    )

    assert readiness.pod_warnings(pod) == []


@pytest.mark.parametrize(
    ("mode", "phase", "updating", "ready"),
    [
        pytest.param("Immediate", "Pending", False, False, id="pending-where-binding-is-immediate"),
        pytest.param("Immediate", "Bound", False, True, id="bound"),
        pytest.param("WaitForFirstConsumer", "Pending", False, True, id="pending-until-a-pod-wants-it"),
        pytest.param("WaitForFirstConsumer", "Bound", False, False, id="bound-too-early"),
        pytest.param("WaitForFirstConsumer", "Bound", True, True, id="updated-while-bound"),
        pytest.param("WaitForFirstConsumer", "Pending", True, True, id="updated-while-pending"),
        pytest.param("WaitForFirstConsumer", "", False, False, id="no-phase-yet"),
    ],
)
def test_when_a_claim_is_ready(mode: str, phase: str, updating: bool, ready: bool) -> None:  # noqa: FBT001  # table
    assert readiness.claim({"status": {"phase": phase}}, mode, updating=updating).ready is ready


@pytest.mark.parametrize(("phase", "ready"), [("Pending", False), ("Available", True), ("Bound", True)])
def test_when_a_volume_is_ready(phase: str, ready: bool) -> None:  # noqa: FBT001  # table
    assert readiness.volume({"status": {"phase": phase}}).ready is ready


def _service(**spec: Any) -> Object:
    return {"spec": {"type": "LoadBalancer", "selector": {"app": "x"}, **spec}, "status": {"loadBalancer": {}}}


def _addressed(service: Object) -> Object:
    return {**service, "status": {"loadBalancer": {"ingress": [{"ip": "10.77.0.202"}]}}}


def _slice(*states: str) -> Object:
    return {"endpoints": [{"conditions": {"ready": one == "ready"}} for one in states]}


def test_a_load_balancer_without_an_address_is_not_ready() -> None:
    (warning,) = readiness.service(_service(), []).warnings

    assert "no address yet" in warning


def test_a_service_without_endpoints_is_ready() -> None:
    assert readiness.service(_addressed(_service()), []).ready


def test_a_service_with_an_endpoint_that_is_not_ready_yet_is_not_ready() -> None:
    assert not readiness.service(_addressed(_service()), [_slice("ready", "starting")]).ready


def test_an_endpoint_that_is_going_away_does_not_hold_a_service_up() -> None:
    going = {"endpoints": [{"conditions": {"ready": False, "terminating": True}}]}

    assert readiness.service(_addressed(_service()), [going]).ready


@pytest.mark.parametrize(
    "spec",
    [{"clusterIP": "None", "type": "ClusterIP"}, {"type": "ExternalName"}, {"type": "ClusterIP", "selector": {}}],
    ids=["headless", "external-name", "no-selector"],
)
def test_a_service_that_leads_to_no_pods_does_not_wait_for_them(spec: Object) -> None:
    assert readiness.service(_service(**spec), [_slice("starting")]).ready
