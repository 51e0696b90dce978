"""A small HTTPS client for the lab's API server, with the administrator's credentials."""

import base64
import contextlib
import datetime as dt
import http.client
import json
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from lab import network
from lab.settings import API_PORT, SERVER, Lab, LabError

SECONDS = 5.0
NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Fresh:
    """Machines started at a given time: any status that the cluster recorded for them before then is stale."""

    machines: frozenset[str]
    since: dt.datetime

    def excludes(self, machine: str, time: str | None) -> bool:
        """Whether a status of `machine` recorded at `time` predates its start; a status without a time does."""
        if machine not in self.machines:
            return False
        # Kubernetes truncates times to whole seconds.
        return time is None or dt.datetime.fromisoformat(time) < self.since.replace(microsecond=0)


ANY_AGE = Fresh(frozenset(), dt.datetime.min.replace(tzinfo=dt.UTC))


class Api:
    """The API server of a lab that is up, through the LAN namespace."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._context: ssl.SSLContext | None = None

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            document = yaml.safe_load(self.lab.kubeconfig.read_text())
            authority = base64.b64decode(document["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
            user = document["users"][0]["user"]
            context = ssl.create_default_context(cadata=authority)
            # The ssl module loads a client key from a file only.
            with tempfile.NamedTemporaryFile(dir=self.lab.state) as pair:
                for part in ("client-certificate-data", "client-key-data"):
                    pair.write(base64.b64decode(user[part]))
                pair.flush()
                context.load_cert_chain(pair.name)
            self._context = context
        return self._context

    @contextlib.contextmanager
    def _connection(self) -> Iterator[http.client.HTTPSConnection]:
        connection = http.client.HTTPSConnection(SERVER.address, API_PORT, timeout=SECONDS, context=self._tls())
        with network.entered(self.lab.lan_namespace):
            connection.connect()
        try:
            yield connection
        finally:
            connection.close()

    def call(self, method: str, path: str) -> dict[str, Any] | None:
        """The server's answer, or None when it is not found.

        Raises:
            OSError: the server cannot be reached.
            LabError: the server refused, or cannot answer yet.
        """
        with self._connection() as connection:
            connection.request(method, path, headers={"Accept": "application/json"})
            answer = connection.getresponse()
            body = answer.read()
        if answer.status == NOT_FOUND:
            return None
        if answer.status >= http.client.BAD_REQUEST:
            message = f"API server: {method} {path}: {answer.status} {body[:300].decode(errors='replace')}"
            raise LabError(message)
        document: dict[str, Any] = json.loads(body)
        return document

    def items(self, path: str) -> list[dict[str, Any]]:
        """The items of the list at `path`; empty while the server does not answer or does not know the kind yet."""
        try:
            document = self.call("GET", path)
        except (OSError, http.client.HTTPException, LabError):
            return []
        return list(document.get("items", [])) if document else []

    def node_states(self, fresh: Fresh = ANY_AGE) -> dict[str, str]:
        """Each registered node with `Ready` or `NotReady`; a node that has not reported since its start is NotReady."""
        states = {}
        for node in self.items("/api/v1/nodes"):
            name = node["metadata"]["name"]
            ready = [c for c in node["status"].get("conditions", []) if c["type"] == "Ready" and c["status"] == "True"]
            up = ready and not fresh.excludes(name, ready[0].get("lastHeartbeatTime"))
            states[name] = "Ready" if up else "NotReady"
        return states

    def not_restarted(self, fresh: Fresh) -> list[str]:
        """The pods, as `namespace/name`, whose containers have not been restarted since their machine started."""
        found = []
        for pod in self.items("/api/v1/pods") if fresh.machines else []:
            states = [status["state"] for status in pod["status"].get("containerStatuses", [{"state": {}}])]
            times = [state.get("running", {}).get("startedAt") for state in states]
            leaving = "deletionTimestamp" in pod["metadata"] or pod["status"]["phase"] in {"Succeeded", "Failed"}
            if not leaving and any(fresh.excludes(pod["spec"].get("nodeName", ""), time) for time in times):
                found.append(f"{pod['metadata']['namespace']}/{pod['metadata']['name']}")
        return sorted(found)

    def unready(self) -> list[str]:
        """The workloads of the lab that have fewer ready pods than they should, as `namespace/name 1/3`."""
        found = []
        for deployment in self.items("/apis/apps/v1/deployments"):
            wanted, ready = deployment["spec"].get("replicas", 1), deployment["status"].get("readyReplicas", 0)
            if ready < wanted:
                found.append(_counted(deployment, ready, wanted))
        for daemon in self.items("/apis/apps/v1/daemonsets"):
            wanted, ready = daemon["status"].get("desiredNumberScheduled", 0), daemon["status"].get("numberReady", 0)
            observed = daemon["status"].get("observedGeneration") == daemon["metadata"]["generation"]
            if not observed or ready < wanted or not wanted:
                found.append(_counted(daemon, ready, wanted))
        return sorted(found)

    def workloads(self) -> set[str]:
        """All deployments and daemon sets, as `namespace/name`."""
        paths = ("/apis/apps/v1/deployments", "/apis/apps/v1/daemonsets")
        return {f"{o['metadata']['namespace']}/{o['metadata']['name']}" for path in paths for o in self.items(path)}

    def has(self, path: str) -> bool:
        """Whether the object at `path` exists."""
        try:
            return self.call("GET", path) is not None
        except (OSError, http.client.HTTPException, LabError):
            return False


def _counted(thing: dict[str, Any], ready: int, wanted: int) -> str:
    return f"{thing['metadata']['namespace']}/{thing['metadata']['name']} {ready}/{wanted}"


def delete_node(lab: Lab, name: str) -> None:
    """Delete the node object of a removed machine; harmless if the cluster does not know it or does not answer."""
    with contextlib.suppress(OSError, http.client.HTTPException, LabError):
        Api(lab).call("DELETE", f"/api/v1/nodes/{name}")
