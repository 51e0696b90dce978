import datetime as dt
from typing import Any

import pytest

from lab.api import Api, Fresh
from lab.settings import Lab

START = dt.datetime(2026, 1, 1, 12, 0, 0, 700_000, dt.UTC)
FRESH = Fresh(frozenset({"cube01"}), START)
BEFORE, AT_ONCE, AFTER = "2026-01-01T11:59:59Z", "2026-01-01T12:00:00Z", "2026-01-01T12:00:05Z"


def _node(name: str, status: str, heartbeat: str) -> dict[str, Any]:
    condition = {"type": "Ready", "status": status, "lastHeartbeatTime": heartbeat}
    return {"metadata": {"name": name}, "status": {"conditions": [condition]}}


def _pod(node: str, started: str | None, **extra: str) -> dict[str, Any]:
    state = {"running": {"startedAt": started}} if started else {"waiting": {}}
    return {
        "metadata": {"namespace": "ns", "name": f"on-{node}", **extra},
        "spec": {"nodeName": node},
        "status": {"phase": "Running", "containerStatuses": [{"state": state}]},
    }


def _daemon(wanted: int, ready: int, observed: int = 1) -> dict[str, Any]:
    status = {"desiredNumberScheduled": wanted, "numberReady": ready, "observedGeneration": observed}
    return {"metadata": {"namespace": "ns", "name": "daemon", "generation": 1}, "status": status}


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[dict[str, Any]]]:
    """The API server's lists, by path."""
    listed: dict[str, list[dict[str, Any]]] = {}
    monkeypatch.setattr(Api, "items", lambda _, path: listed.get(path, []))
    return listed


@pytest.mark.parametrize(
    ("node", "state"),
    [
        (_node("cube01", "True", BEFORE), "NotReady"),
        (_node("cube01", "True", AT_ONCE), "Ready"),
        (_node("cube01", "False", AFTER), "NotReady"),
        (_node("cube02", "True", BEFORE), "Ready"),
    ],
)
def test_a_freshly_started_node_is_ready_only_by_a_heartbeat_since(
    answers: dict[str, list[dict[str, Any]]], node: dict[str, Any], state: str
) -> None:
    answers["/api/v1/nodes"] = [node]
    assert list(Api(Lab("a")).node_states(FRESH).values()) == [state]


@pytest.mark.parametrize(
    ("pod", "counts"),
    [
        (_pod("cube01", BEFORE), True),
        (_pod("cube01", None), True),
        (_pod("cube01", AFTER), False),
        (_pod("cube02", BEFORE), False),
        (_pod("cube01", BEFORE, deletionTimestamp=AFTER), False),
    ],
)
def test_a_pod_on_a_freshly_started_machine_counts_once_it_runs_anew(
    answers: dict[str, list[dict[str, Any]]], pod: dict[str, Any], *, counts: bool
) -> None:
    answers["/api/v1/pods"] = [pod]
    assert bool(Api(Lab("a")).not_restarted(FRESH)) == counts


@pytest.mark.parametrize(
    ("daemon", "unready"),
    [
        (_daemon(3, 3), []),
        (_daemon(3, 2), ["ns/daemon 2/3"]),
        (_daemon(0, 0), ["ns/daemon 0/0"]),
        (_daemon(3, 3, observed=0), ["ns/daemon 3/3"]),
    ],
)
def test_a_daemon_set_is_there_when_the_controller_has_seen_it_and_all_its_pods_are_ready(
    answers: dict[str, list[dict[str, Any]]], daemon: dict[str, Any], unready: list[str]
) -> None:
    answers["/apis/apps/v1/daemonsets"] = [daemon]
    assert Api(Lab("a")).unready() == unready
