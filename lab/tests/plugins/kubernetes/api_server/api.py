"""A real Kubernetes API on loopback: etcd, API server and controller manager, without machines and kubelets.

What a kubelet and a load balancer would report is set by `Pretender`, through the API as they do it.
"""

import contextlib
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from lab import toolchain
from lab.pki import ClusterPki
from lab.plugins.kubernetes import kubeconfig
from lab.plugins.kubernetes.client import ApiError, Client, Kind, Object
from lab.plugins.kubernetes.credentials import UnreachableError
from lab.tests.ports import free_ports
from lab.tests.waiting import wait_until

START_SECONDS = 120.0
UNPULLABLE = "nowhere.invalid/none:1"
"""An image that the pretended node fails to pull."""


@dataclass(frozen=True)
class KubernetesApi:
    """A running API server: its kubeconfig and a client of it."""

    kubeconfig: Path
    client: Client

    def kind(self, name: str, api_version: str = "v1") -> Kind:
        """The API path and name of a kind."""
        return self.client.kind(api_version, name)

    def get(self, name: str, namespace: str, kind: str, api_version: str = "v1") -> Object:
        """One object."""
        return self.client.get(self.kind(kind, api_version), namespace, name)

    def exists(self, name: str, namespace: str, kind: str, api_version: str = "v1") -> bool:
        """Whether an object exists."""
        return self.client.find(self.kind(kind, api_version), namespace, name) is not None

    def merge(self, path: str, change: Object, manager: str = "kubectl") -> Object:
        """Change an object manually, under a field manager's name."""
        query = {"fieldManager": manager}
        return self.client.request("PATCH", path, body=change, query=query, media_type="application/merge-patch+json")


@contextlib.contextmanager
def running(folder: Path, etcd: str) -> Iterator[KubernetesApi]:
    """Run an API server with its state in `folder`, and end every started process."""
    k3s = toolchain.ensure(["k3s"])["k3s"]
    tls = folder / "tls"
    pki = ClusterPki.load(tls)
    for name, content in pki.server_files().items():
        (tls / name).write_bytes(content)
    client_port, peer_port, api_port, manager_port = free_ports(4)
    config = folder / "kubeconfig"
    config.write_text(pki.admin(server=f"https://127.0.0.1:{api_port}"))
    with contextlib.ExitStack() as stack:
        stack.enter_context(_process(folder / "etcd.log", _etcd(etcd, folder / "etcd", client_port, peer_port)))
        stack.enter_context(_process(folder / "api.log", _api_server(k3s, tls, client_port, api_port)))
        client = Client(kubeconfig.resolve(str(config)))
        stack.callback(client.close)
        _await_answer(client, folder / "api.log")
        stack.enter_context(_process(folder / "manager.log", _controller_manager(k3s, tls, config, manager_port)))
        yield KubernetesApi(config, client)


def _etcd(program: str, data: Path, client_port: int, peer_port: int) -> list[str]:
    client, peer = f"http://127.0.0.1:{client_port}", f"http://127.0.0.1:{peer_port}"
    return [
        program,
        f"--data-dir={data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
    ]


def _api_server(k3s: Path, tls: Path, etcd_port: int, port: int) -> list[str]:
    return [
        str(k3s),
        "kube-apiserver",
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        # Otherwise it would publish its address as an endpoint of the Service `kubernetes`, which loopback forbids.
        "--endpoint-reconciler-type=none",
        f"--secure-port={port}",
        "--service-cluster-ip-range=10.43.0.0/16",
        f"--tls-cert-file={tls / 'serving-kube-apiserver.crt'}",
        f"--tls-private-key-file={tls / 'serving-kube-apiserver.key'}",
        f"--client-ca-file={tls / 'client-ca.crt'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={tls / 'service.pub'}",
        f"--service-account-signing-key-file={tls / 'service.key'}",
        "--authorization-mode=RBAC",
        "--allow-privileged=true",
    ]


def _controller_manager(k3s: Path, tls: Path, config: Path, port: int) -> list[str]:
    return [
        str(k3s),
        "kube-controller-manager",
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--service-account-private-key-file={tls / 'service.key'}",
        f"--root-ca-file={tls / 'server-ca.crt'}",
        "--leader-elect=false",
    ]


def _await_answer(client: Client, log: Path) -> None:
    def answers() -> bool:
        try:
            client.request("GET", "/readyz")
            client.get(client.kind("v1", "Namespace"), "", "default")
        except (ApiError, UnreachableError):
            return False
        return True

    wait_until(answers, START_SECONDS, f"the API server is ready; {log} says why not", 0.2)


@contextlib.contextmanager
def _process(log: Path, command: list[str]) -> Iterator[None]:
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output, cwd=log.parent) as process:
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


class Pretender:
    """Reports, for one namespace, what a node and a load balancer would: pods that run, addresses for Services.

    A pod with the image `UNPULLABLE` stays in ImagePullBackOff. A Service's address is the one its annotation asks for.
    """

    def __init__(self, api: KubernetesApi, namespace: str) -> None:
        self._client = api.client
        self._namespace = namespace
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(0.1):
            # An object may be deleted while it is examined.
            with contextlib.suppress(ApiError):
                self._report()

    def _report(self) -> None:
        pods, services = self._client.kind("v1", "Pod"), self._client.kind("v1", "Service")
        for pod in self._client.members(pods, self._namespace):
            status = _pod_status(pod)
            if not pod["status"].get("containerStatuses"):
                self._status(pods, pod, status)
        for service in self._client.members(services, self._namespace):
            wanted = (service["metadata"].get("annotations") or {}).get("metallb.io/loadBalancerIPs", "10.77.0.200")
            ingress = service["status"].get("loadBalancer", {}).get("ingress", [])
            if service["spec"]["type"] == "LoadBalancer" and [one["ip"] for one in ingress] != [wanted]:
                self._status(services, service, {"loadBalancer": {"ingress": [{"ip": wanted}]}})

    def _status(self, kind: Kind, obj: Object, status: Object) -> None:
        path = kind.path(self._namespace, obj["metadata"]["name"]) + "/status"
        self._client.request("PATCH", path, body={"status": status}, media_type="application/merge-patch+json")


def _pod_status(pod: Object) -> dict[str, Any]:
    container = pod["spec"]["containers"][0]
    common = {"name": container["name"], "image": container["image"], "imageID": "", "restartCount": 0}
    if container["image"] == UNPULLABLE:
        waiting = {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{UNPULLABLE}"'}
        message = f"containers with unready status: [{container['name']}]"
        unready = {"type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": message}
        statuses = [{**common, "ready": False, "state": {"waiting": waiting}}]
        return {"phase": "Pending", "conditions": [unready], "containerStatuses": statuses}
    running = {"startedAt": "2026-01-01T00:00:00Z"}
    return {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
        "containerStatuses": [{**common, "ready": True, "state": {"running": running}}],
    }


def delete_and_wait(api: KubernetesApi, kind: str, namespace: str, name: str) -> None:
    """Delete an object manually, and wait until it is deleted."""
    address = api.kind(kind)
    with contextlib.suppress(ApiError):
        api.client.delete(address, namespace, name, "Background")
    wait_until(lambda: api.client.find(address, namespace, name) is None, 60, f"{kind} {name} is gone")
