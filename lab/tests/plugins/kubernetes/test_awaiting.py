"""How the stand-in for the Kubernetes plugin waits: time limits, an unresponsive API server, and progress messages."""

import threading
from typing import Any, cast

import pytest

from lab.plugins.kubernetes import awaiting
from lab.plugins.kubernetes.awaiting import Awaiter, NotReadyError
from lab.plugins.kubernetes.client import ApiError, Client, Kind
from lab.plugins.kubernetes.credentials import UnreachableError

Object = dict[str, Any]

VOLUME: Object = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v", "uid": "1"}}
POD: Object = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "here", "uid": "1"}}


class Server:
    """Returns the given answers, repeating the last one; an exception among them is raised."""

    def __init__(self, *answers: Object | Exception | None) -> None:
        self._answers = list(answers)

    def kind(self, api_version: str, kind: str) -> Kind:
        return Kind(api_version, kind.lower() + "s", namespaced=True)

    def find(self, *_: object) -> Object | None:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    get = find


class Lines:
    """The progress messages."""

    def __init__(self) -> None:
        self.infos: list[str] = []
        self.warnings: list[str] = []

    def __call__(self, message: str, *, warning: bool = False) -> None:
        (self.warnings if warning else self.infos).append(message)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(awaiting, "_POLL_SECONDS", 0.01)


def _awaiter(*answers: Object | Exception | None, cancelled: threading.Event | None = None) -> Awaiter:
    return Awaiter(cast("Client", Server(*answers)), cancelled or threading.Event())


def _with_phase(obj: Object, phase: str) -> Object:
    return {**obj, "status": {"phase": phase}}


def test_an_object_is_waited_for_until_it_is_ready() -> None:
    awaiter = _awaiter(_with_phase(VOLUME, "Pending"), _with_phase(VOLUME, "Available"))

    live = awaiter.until_ready(VOLUME, {}, updating=False, timeout=0, say=Lines())

    assert live["status"]["phase"] == "Available"


def test_an_api_server_that_is_silent_for_a_moment_does_not_end_a_wait() -> None:
    awaiter = _awaiter(UnreachableError("connection refused"), ApiError(503, {}), _with_phase(VOLUME, "Available"))

    assert awaiter.until_ready(VOLUME, {}, updating=False, timeout=0, say=Lines())


def test_an_api_server_that_stays_silent_is_the_reason_of_the_failure() -> None:
    awaiter = _awaiter(UnreachableError("connection refused"))

    with pytest.raises(NotReadyError) as failure:
        awaiter.until_ready(POD, {}, updating=False, timeout=0.05, say=Lines())

    assert failure.value.reasons == ("the API server did not answer: connection refused",)


def test_an_object_that_skips_waiting_is_not_looked_at() -> None:
    inputs = {"metadata": {"annotations": {"pulumi.com/skipAwait": "true"}}}

    assert _awaiter(AssertionError()).until_ready(POD, inputs, updating=False, timeout=0, say=Lines()) == POD


def test_the_timeout_annotation_limits_the_wait() -> None:
    inputs = {"metadata": {"annotations": {"pulumi.com/timeoutSeconds": "0"}}}

    with pytest.raises(NotReadyError, match="'p' was not ready in time"):
        _awaiter(POD).until_ready(POD, inputs, updating=False, timeout=0, say=Lines())


def test_custom_timeouts_go_before_the_annotation() -> None:
    inputs = {"metadata": {"annotations": {"pulumi.com/timeoutSeconds": "600"}}}

    with pytest.raises(NotReadyError):
        _awaiter(POD).until_ready(POD, inputs, updating=False, timeout=0.05, say=Lines())


def test_cancelling_ends_a_wait_and_keeps_the_object() -> None:
    cancelled = threading.Event()
    cancelled.set()

    with pytest.raises(NotReadyError, match="cancelled") as failure:
        _awaiter(POD, cancelled=cancelled).until_ready(POD, {}, updating=False, timeout=0, say=Lines())

    assert failure.value.live == POD


UNSCHEDULABLE = {
    **POD,
    "status": {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available"}]},
}


def test_a_trouble_that_passes_is_no_warning() -> None:
    lines = Lines()

    _awaiter(UNSCHEDULABLE, _with_phase(POD, "Succeeded")).until_ready(POD, {}, updating=False, timeout=9, say=lines)

    assert lines.warnings == []


def test_a_trouble_that_lasts_is_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(awaiting, "WARN_AFTER_SECONDS", 0.02)
    lines = Lines()

    with pytest.raises(NotReadyError):
        _awaiter(UNSCHEDULABLE).until_ready(POD, {}, updating=False, timeout=0.2, say=lines)

    assert lines.warnings == ["[Pod here/p]: 0/2 nodes are available"]


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param((POD, None), id="gone"),
        pytest.param((POD, {**POD, "metadata": {**POD["metadata"], "uid": "2"}}), id="another-has-its-name"),
        pytest.param((UnreachableError("refused"), None), id="after-a-silence"),
    ],
)
def test_a_deletion_is_over_when_the_object_is_gone(answers: tuple[Any, ...]) -> None:
    _awaiter(*answers).until_gone(POD, {}, timeout=9, say=Lines())


def test_a_deletion_that_does_not_end_says_what_keeps_the_namespace() -> None:
    condition = {"type": "NamespaceFinalizersRemaining", "status": "True", "message": "Some content remains"}
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "n", "uid": "1"},
        "status": {"conditions": [condition]},
    }

    with pytest.raises(NotReadyError, match="was not gone in time") as failure:
        _awaiter(namespace).until_gone(namespace, {}, timeout=0.05, say=Lines())

    assert failure.value.reasons == ("Some content remains",)


def test_a_refresh_looks_once_and_tells_what_is_not_ready() -> None:
    with pytest.raises(NotReadyError, match="is there, but not ready"):
        _awaiter(POD).check(POD, {})
