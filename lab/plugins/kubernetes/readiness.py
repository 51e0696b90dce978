"""Decides whether an object is ready, from the API server's answers. Nothing here contacts a cluster."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.plugins.kubernetes import naming

Object = Mapping[str, Any]

_REVISION = "deployment.kubernetes.io/revision"


@dataclass(frozen=True)
class Progress:
    """The progress of an object.

    `waiting_for` is shown while it goes on. `warnings` are what may be wrong, in the cluster's own words; they are the
    reasons of the error if time runs out.
    """

    ready: bool
    waiting_for: str = ""
    warnings: tuple[str, ...] = ()


READY = Progress(ready=True)


def deployment(
    obj: Object, replica_sets: Sequence[Object], pods: Sequence[Object], claims: Sequence[Object]
) -> Progress:
    """A Deployment is ready when its rollout is complete, it is available, and its pods' claims are bound."""
    status = obj.get("status") or {}
    revision = naming.annotations_of(obj).get(_REVISION)
    if status.get("observedGeneration") != obj["metadata"].get("generation") or not revision:
        return Progress(ready=False, waiting_for="the Deployment controller")
    conditions = {condition["type"]: condition for condition in status.get("conditions") or []}
    available, rolled_out = (conditions.get(kind, {}) for kind in ("Available", "Progressing"))
    current = next(
        (rs for rs in _owned(replica_sets, obj) if naming.annotations_of(rs).get(_REVISION) == revision), None
    )
    wanted = ready = 0
    if current is not None:
        wanted = int((current.get("spec") or {}).get("replicas", 1))
        ready = int((current.get("status") or {}).get("readyReplicas", 0))
    complete = revision == "1" or (_is_true(rolled_out) and rolled_out.get("reason") == "NewReplicaSetAvailable")
    unbound = [claim for claim in claims if _phase(claim) != "Bound"]
    if current is not None and ready >= wanted and _is_true(available) and complete and not unbound:
        return READY
    warnings = [f"[{c['reason']}] {c['message']}" for c in (rolled_out, available) if c.get("status") == "False"]
    warnings += [
        f"[PersistentVolumeClaim {naming.name_of(claim)}]: not bound yet ({_phase(claim)})" for claim in unbound
    ]
    if current is not None:
        warnings += [warning for pod in _owned(pods, current) for warning in pod_warnings(pod)]
    return Progress(
        ready=False,
        waiting_for=f"the app's ReplicaSet ({ready}/{wanted} Pods available)",
        warnings=tuple(warnings),
    )


def claim_names(workload: Object) -> tuple[str, ...]:
    """The PersistentVolumeClaims that the pods of a workload mount."""
    spec = ((workload.get("spec") or {}).get("template") or {}).get("spec") or {}
    volumes = (volume.get("persistentVolumeClaim") or {} for volume in spec.get("volumes") or [])
    return tuple(volume["claimName"] for volume in volumes if volume.get("claimName"))


def pod(obj: Object) -> Progress:
    """Ready, or run to its end."""
    conditions = {condition["type"]: condition for condition in (obj.get("status") or {}).get("conditions") or []}
    if _is_true(conditions.get("Ready", {})) or _phase(obj) == "Succeeded":
        return READY
    return Progress(ready=False, waiting_for=f"Pod {naming.object_id(obj)}", warnings=tuple(pod_warnings(obj)))


def pod_warnings(obj: Object) -> list[str]:
    """The reasons why a pod is not ready: it cannot be scheduled, or its containers wait or have failed."""
    status = obj.get("status") or {}
    conditions = {condition["type"]: condition for condition in status.get("conditions") or []}
    if _is_true(conditions.get("Ready", {})) or status.get("phase") == "Succeeded":
        return []
    scheduled = conditions.get("PodScheduled", {})
    label = f"[Pod {naming.object_id(obj).removeprefix('default/')}]: "
    if scheduled.get("status") == "False":
        return [label + str(scheduled.get("message", scheduled.get("reason", "not scheduled")))]
    statuses = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    troubles = [trouble for container in statuses for trouble in _container_troubles(container)]
    unmet: Object = next(
        (
            conditions[kind]
            for kind in ("Initialized", "Ready")
            if kind in conditions and not _is_true(conditions[kind])
        ),
        {},
    )
    message = str(unmet.get("message", "")) if unmet.get("reason") else ""
    return [label + message + "\n".join(troubles)] if troubles or message else []


def _container_troubles(container: Object) -> Iterable[str]:
    if container.get("ready"):
        return
    state, last = container.get("state") or {}, (container.get("lastState") or {}).get("terminated")
    waiting, ended = state.get("waiting"), state.get("terminated")
    if waiting and waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
        yield f"[{waiting['reason']}] {waiting.get('message', '')}".rstrip()
    if ended and ended.get("exitCode"):
        yield f"container {container['name']!r} ended with exit code {ended['exitCode']} ({ended.get('reason', '')})"
    if last:
        yield (
            f"container {container['name']!r} ended at {last.get('finishedAt')} "
            f"({last.get('reason', '')}: exit code {last.get('exitCode')}) {last.get('message', '')}"
        ).rstrip()


def claim(obj: Object, binding_mode: str, *, updating: bool) -> Progress:
    """Bound; or Pending where the class binds a claim only when a pod wants it.

    Like upstream, on creation a claim of such a class must be Pending: one already bound is waited for in vain.
    """
    phase = _phase(obj)
    if updating and phase == "Bound":
        return READY
    wanted = "Pending" if binding_mode == "WaitForFirstConsumer" else "Bound"
    if phase == wanted:
        return READY
    return Progress(ready=False, waiting_for=f"the claim to be {wanted} (it is {phase or 'new'})")


def volume(obj: Object) -> Progress:
    """Available, or bound to a claim."""
    phase = _phase(obj)
    if phase in ("Available", "Bound"):
        return READY
    return Progress(ready=False, waiting_for=f"the volume to be Available (it is {phase or 'new'})")


def service(obj: Object, slices: Sequence[Object]) -> Progress:
    """No endpoint that is not ready yet, and an address if it is a load balancer. No endpoints at all is fine."""
    spec = obj.get("spec") or {}
    warnings: list[str] = []
    addressed = spec.get("type") != "LoadBalancer" or bool(
        ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress")
    )
    if not addressed:
        warnings.append(
            "the Service has no address yet; is there a load balancer in the cluster, and has it an address left?"
        )
    endpoints = [endpoint for one in slices for endpoint in one.get("endpoints") or []]
    states = [endpoint.get("conditions") or {} for endpoint in endpoints]
    pending = [s for s in states if s.get("ready") is False and not s.get("terminating")]
    if service_has_pods(obj) and pending:
        warnings.append(f"{len(pending)} of the Service's {len(states)} endpoints are not ready")
    if not warnings:
        return READY
    return Progress(ready=False, waiting_for="Pods and address of the Service", warnings=tuple(warnings))


def service_has_pods(obj: Object) -> bool:
    """Whether the Service leads to pods that are worth waiting for."""
    spec = obj.get("spec") or {}
    return bool(spec.get("selector")) and spec.get("clusterIP") != "None" and spec.get("type") != "ExternalName"


def _owned(objects: Iterable[Object], owner: Object) -> list[Object]:
    uid = owner["metadata"].get("uid")
    return [
        obj
        for obj in objects
        if any(reference.get("uid") == uid for reference in obj["metadata"].get("ownerReferences") or [])
    ]


def _is_true(condition: Object) -> bool:
    return condition.get("status") == "True"


def _phase(obj: Object) -> str:
    return str((obj.get("status") or {}).get("phase") or "")
