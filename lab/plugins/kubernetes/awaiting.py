"""Waits until an object is ready, or deleted."""

import threading
import time
from collections.abc import Mapping
from typing import Any, Final, Protocol, final

from lab.plugins.kubernetes import naming, readiness
from lab.plugins.kubernetes.client import ApiError, Client, Object, UnknownKindError
from lab.plugins.kubernetes.credentials import UnreachableError
from lab.plugins.kubernetes.readiness import READY, Progress

SKIP_AWAIT: Final = "pulumi.com/skipAwait"
TIMEOUT_SECONDS: Final = "pulumi.com/timeoutSeconds"

DEFAULT_SECONDS: Final = 600.0
"""Upstream's time limit if neither `customTimeouts` nor the annotation sets one."""
STORAGE_SECONDS: Final = 300.0
"""Upstream's fixed limit for volumes and claims."""
SETTLE_SECONDS: Final = 2.0
"""How long a Service must not change before it counts as ready; upstream waits for 10 s."""
WARN_AFTER_SECONDS: Final = 5.0
"""How long a problem must last before it is reported: every rollout is unavailable for a moment."""
_POLL_SECONDS: Final = 0.2

_DELETES_WITHOUT_WAIT: Final = frozenset(
    {"Namespace", "Pod", "ReplicationController", "DaemonSet", "Deployment", "StatefulSet", "Job"}
)


class Say(Protocol):
    """Shows a line of progress at the resource that is worked at."""

    def __call__(self, message: str, *, warning: bool = False) -> None:
        """Show `message`; only warnings stay in the diagnostics."""


@final
class NotReadyError(Exception):
    """An object that exists but did not become ready in time."""

    def __init__(self, live: Object, what: str, reasons: tuple[str, ...]) -> None:
        super().__init__(f"{naming.name_of(live)!r} {what}")
        self.live = live
        self.reasons = reasons


@final
class Awaiter:
    """Waits for objects of one cluster; `cancelled` ends every wait."""

    def __init__(self, client: Client, cancelled: threading.Event) -> None:
        self._client = client
        self._cancelled = cancelled

    def until_ready(
        self, live: Object, inputs: Mapping[str, Any], *, updating: bool, timeout: float, say: Say
    ) -> Object:
        """Wait until `live` is ready, unless its annotations say not to; gives the object as it is then.

        Args:
            live: the object as the API server gave it back.
            inputs: what the program asked for; its annotations count.
            updating: whether it existed before.
            timeout: the resource's `customTimeouts` in seconds, 0 for none.
            say: shows progress.

        Raises:
            NotReadyError: time ran out or the engine cancelled.
        """
        kind = str(live.get("kind"))
        if naming.is_set(inputs, SKIP_AWAIT) or kind not in _AWAITED:
            return live
        limit = STORAGE_SECONDS if kind.startswith("PersistentVolume") else _limit(timeout, inputs)
        deadline, report = time.monotonic() + limit, _Report(say)
        settled_since, settled_version = time.monotonic(), ""
        while True:
            live, progress = self._observe_patiently(live, updating=updating)
            version = live["metadata"].get("resourceVersion", "")
            if not progress.ready or version != settled_version:
                settled_since, settled_version = time.monotonic(), version
            settle = SETTLE_SECONDS if kind == "Service" and readiness.service_has_pods(live) else 0.0
            if progress.ready and time.monotonic() - settled_since >= settle:
                return live
            report.show(progress)
            if time.monotonic() >= deadline:
                raise NotReadyError(live, "was not ready in time", progress.warnings)
            if self._cancelled.wait(_POLL_SECONDS):
                raise NotReadyError(live, "was waited for until the engine cancelled", progress.warnings)

    def check(self, live: Object, inputs: Mapping[str, Any]) -> None:
        """Look once, as a refresh does.

        Raises:
            NotReadyError: it is not ready now.
        """
        if naming.is_set(inputs, SKIP_AWAIT) or live.get("kind") not in _CHECKED_ON_REFRESH:
            return
        live, progress = self._observe(live, updating=True)
        if not progress.ready:
            raise NotReadyError(live, "is there, but not ready", progress.warnings)

    def until_gone(self, live: Object, inputs: Mapping[str, Any], *, timeout: float, say: Say) -> None:
        """Wait until the object is deleted, or another one has its name.

        Raises:
            NotReadyError: it is still there after the time limit.
        """
        kind = str(live.get("kind"))
        if naming.is_set(inputs, SKIP_AWAIT) and kind in _DELETES_WITHOUT_WAIT:
            return
        name, deadline = naming.name_of(live), time.monotonic() + _limit(timeout, inputs)
        uid, report, pause = live["metadata"].get("uid"), _Report(say), 0.02
        address = self._client.kind(str(live["apiVersion"]), kind)
        while True:
            try:
                found = self._client.find(address, naming.namespace_of(live), name)
            except (ApiError, UnreachableError) as error:
                report.show(_silence(error))
                found = live
            if found is None or found["metadata"].get("uid") != uid:
                return
            reasons = tuple(
                str(condition.get("message"))
                for condition in (found.get("status") or {}).get("conditions") or []
                if kind == "Namespace" and condition.get("status") == "True"
            )
            finalizers = ", ".join(found["metadata"].get("finalizers") or []) or "none"
            report.show(Progress(ready=False, waiting_for=f"deletion (finalizers: {finalizers})"))
            if time.monotonic() >= deadline:
                raise NotReadyError(found, "was not gone in time", reasons)
            if self._cancelled.wait(pause):
                raise NotReadyError(found, "was being deleted when the engine cancelled", reasons)
            pause = min(pause * 2, _POLL_SECONDS)

    def _observe_patiently(self, live: Object, *, updating: bool) -> tuple[Object, Progress]:
        """Like `_observe`, but waits for an API server that does not answer for a moment."""
        try:
            return self._observe(live, updating=updating)
        except (ApiError, UnreachableError) as error:
            return live, _silence(error)

    def _observe(self, live: Object, *, updating: bool) -> tuple[Object, Progress]:
        """The object's current version and its progress."""
        client, namespace = self._client, naming.namespace_of(live)
        live = client.get(client.kind(live["apiVersion"], live["kind"]), namespace, naming.name_of(live))
        match live["kind"]:
            case "Deployment":
                return live, self._deployment(live, namespace)
            case "Pod":
                return live, readiness.pod(live)
            case "Service":
                selector = f"kubernetes.io/service-name={naming.name_of(live)}"
                slices = client.members(client.kind("discovery.k8s.io/v1", "EndpointSlice"), namespace, selector)
                return live, readiness.service(live, slices)
            case "PersistentVolumeClaim":
                return live, readiness.claim(live, self._binding_mode(live), updating=updating)
            case "PersistentVolume":
                return live, readiness.volume(live)
            case _:
                return live, READY

    def _deployment(self, live: Object, namespace: str) -> Progress:
        client = self._client
        labels = ((live.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        replica_sets = client.members(client.kind("apps/v1", "ReplicaSet"), namespace, selector)
        pods = client.members(client.kind("v1", "Pod"), namespace, selector)
        claim_kind = client.kind("v1", "PersistentVolumeClaim")
        claims = [client.find(claim_kind, namespace, name) for name in readiness.claim_names(live)]
        return readiness.deployment(live, replica_sets, pods, [claim for claim in claims if claim is not None])

    def _binding_mode(self, claim: Object) -> str:
        name: Any = (claim.get("spec") or {}).get("storageClassName")
        if not name:
            return ""
        try:
            found = self._client.find(self._client.kind("storage.k8s.io/v1", "StorageClass"), "", str(name))
        except (ApiError, UnknownKindError):
            return ""  # as upstream: a class that cannot be read is taken for one that binds at once
        return str((found or {}).get("volumeBindingMode", ""))


_CHECKED_ON_REFRESH: Final = frozenset({"Deployment", "Service", "Pod"})
_AWAITED: Final = _CHECKED_ON_REFRESH | {"PersistentVolume", "PersistentVolumeClaim"}


def _limit(timeout: float, inputs: Mapping[str, Any]) -> float:
    """`customTimeouts` before the annotation before the default."""
    annotated = str(naming.annotations_of(inputs).get(TIMEOUT_SECONDS, ""))
    if timeout > 0:
        return timeout
    return float(annotated) if annotated.isdigit() else DEFAULT_SECONDS


def _silence(error: Exception) -> Progress:
    return Progress(ready=False, waiting_for="the API server", warnings=(f"the API server did not answer: {error}",))


class _Report:
    """Shows changes in the progress of an object."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._said: set[str] = set()
        self._since: dict[str, float] = {}

    def show(self, progress: Progress) -> None:
        """Show the awaited conditions, and each warning that has lasted."""
        now = time.monotonic()
        if progress.waiting_for and progress.waiting_for not in self._said:
            self._said.add(progress.waiting_for)
            self._say(f"Waiting for {progress.waiting_for}")
        self._since = {warning: self._since.get(warning, now) for warning in progress.warnings}
        for warning, since in self._since.items():
            if now - since >= WARN_AFTER_SECONDS and warning not in self._said:
                self._said.add(warning)
                self._say(warning, warning=True)
