import contextlib
import http.client
import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import lifecycle, network
from lab.api import Api
from lab.machines import Machine
from lab.settings import PROJECT, Lab, MachineName
from lab.tests.waiting import wait_until

NAMESPACE = "cluster-test"
ADDRESS = "10.77.0.240"
NODES = ("control01", "cube01", "cube02")
MANIFEST = f"""
apiVersion: v1
kind: Namespace
metadata: {{name: {NAMESPACE}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: data, namespace: {NAMESPACE}}}
spec:
  accessModes: [ReadWriteOnce]
  resources: {{requests: {{storage: 1Mi}}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: {NAMESPACE}}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      nodeSelector: {{kubernetes.io/hostname: cube01}}
      containers:
        - name: web
          image: registry:3
          imagePullPolicy: Never
          readinessProbe: {{httpGet: {{path: /v2/, port: 5000}}, periodSeconds: 1}}
          volumeMounts: [{{name: data, mountPath: /var/lib/registry}}]
      volumes: [{{name: data, persistentVolumeClaim: {{claimName: data}}}}]
---
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: {NAMESPACE}
  annotations: {{metallb.universe.tf/loadBalancerIPs: {ADDRESS}}}
spec:
  type: LoadBalancer
  selector: {{app: web}}
  ports: [{{port: 80, targetPort: 5000}}]
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: asker, namespace: {NAMESPACE}}}
spec:
  selector: {{matchLabels: {{app: asker}}}}
  template:
    metadata: {{labels: {{app: asker}}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - {{name: asker, image: "lab/busybox:1", imagePullPolicy: Never, command: [sleep, "86400"]}}
"""


def _get(control01: Machine, *what: str) -> Any:
    return json.loads(control01.run(["kubectl", "-n", NAMESPACE, "get", *what, "-o", "json"]).stdout)


def _pods(control01: Machine, app: str) -> dict[str, Any]:
    return {pod["spec"]["nodeName"]: pod for pod in _get(control01, "pods", "-l", f"app={app}")["items"]}


@pytest.fixture(scope="module")
def workload(lab: Lab) -> Iterator[Lab]:
    """A web server with storage behind the load balancer on cube01, and a pod on each node to ask it from."""
    server = Machine(lab, MachineName(0))
    server.run(["kubectl", "apply", "-f", "-"], stdin=MANIFEST)
    wait = ["kubectl", "-n", NAMESPACE, "rollout", "status", "--timeout=90s"]
    server.run([*wait, "deployment/web"])
    server.run([*wait, "daemonset/asker"])
    yield lab
    server.run(["kubectl", "delete", "namespace", NAMESPACE, "--wait=true", "--timeout=90s"])


def test_every_node_is_ready_and_carries_the_label_that_the_program_selects_by(lab: Lab) -> None:
    nodes = {node["metadata"]["name"]: node for node in Api(lab).items("/api/v1/nodes")}
    assert Api(lab).node_states() == dict.fromkeys(NODES, "Ready")
    assert {name: node["metadata"]["labels"].get("node-type") for name, node in nodes.items()} == dict.fromkeys(
        NODES, "worker"
    )


def test_the_server_and_the_agents_run_the_units_that_k3s_installs(lab: Lab) -> None:
    for name, unit, other in (("control01", "k3s", "k3s-agent"), ("cube01", "k3s-agent", "k3s")):
        machine = Machine(lab, MachineName.parse(name))
        assert machine.run(["systemctl", "is-active", unit]).stdout == "active\n"
        assert machine.run(["systemctl", "cat", other], check=False).returncode != 0


def test_a_service_of_the_load_balancer_answers_on_the_lan(workload: Lab) -> None:
    wait_until(lambda: network.answers(workload, ADDRESS, 80), 60, "the address is announced")
    with contextlib.closing(http.client.HTTPConnection(ADDRESS, 80, timeout=5)) as connection:
        with network.entered(workload.lan_namespace):
            connection.request("GET", "/v2/")
        assert connection.getresponse().status == http.client.OK


def test_the_claim_is_bound_to_a_folder_on_the_node_of_its_pod(workload: Lab, control01: Machine) -> None:
    claim = _get(control01, "pvc", "data")
    assert (claim["status"]["phase"], claim["spec"]["storageClassName"]) == ("Bound", "local-path")
    folder = Machine(workload, MachineName.parse("cube01")).path("/opt/local-path-provisioner")
    assert [path.name.endswith("_data") for path in folder.iterdir()] == [True]


def _ask(control01: Machine, node: str, *command: str) -> subprocess.CompletedProcess[str]:
    pod = _pods(control01, "asker")[node]["metadata"]["name"]
    return control01.run(["kubectl", "-n", NAMESPACE, "exec", pod, "--", *command], check=False)


@pytest.mark.parametrize("node", NODES)
def test_each_node_reaches_a_service_by_its_cluster_address(workload: Lab, control01: Machine, node: str) -> None:
    address = _get(control01, "service", "web")["spec"]["clusterIP"]
    machine = Machine(workload, MachineName.parse(node))
    assert machine.run(["curl", "-sSm", "5", f"http://{address}/v2/"]).stdout == "{}"


@pytest.mark.parametrize("node", NODES)
def test_a_pod_on_each_node_reaches_the_service_of_another_by_name(
    workload: Lab, control01: Machine, node: str
) -> None:
    assert workload.name
    url = f"http://web.{NAMESPACE}.svc.cluster.local/v2/"
    assert _ask(control01, node, "wget", "-qO-", url).stdout == "{}"


@pytest.mark.parametrize("node", NODES)
def test_a_pod_on_each_node_asks_the_name_service_on_another(workload: Lab, control01: Machine, node: str) -> None:
    assert workload.name
    address = _get(control01, "service", "web")["spec"]["clusterIP"]
    answer = _ask(control01, node, "nslookup", f"web.{NAMESPACE}.svc.cluster.local").stdout
    assert f"Address: {address}" in answer.splitlines()


def test_a_name_outside_the_cluster_is_refused_instead_of_timing_out(workload: Lab, control01: Machine) -> None:
    assert workload.name
    # SERVFAIL, or nothing within the tool's own five seconds, is what a forwarder without an uplink would give.
    assert "NXDOMAIN" in _ask(control01, "cube01", "nslookup", "registry.example.").stdout


def _container(control01: Machine, node: str) -> tuple[str, str, int]:
    """The identity of the node's asking container: it changes whenever the container is started anew."""
    pod = _pods(control01, "asker")[node]
    status = pod["status"]["containerStatuses"][0]
    return pod["metadata"]["uid"], status["containerID"], status["restartCount"]


@pytest.mark.parametrize("node", NODES)
def test_a_restart_of_k3s_leaves_the_nodes_pods_running(workload: Lab, control01: Machine, node: str) -> None:
    before = _container(control01, node)
    unit = "k3s" if node == "control01" else "k3s-agent"
    Machine(workload, MachineName.parse(node)).run(["systemctl", "restart", unit])
    wait_until(lambda: Api(workload).node_states() != {}, 60, "the API answers")
    wait_until(lambda: Api(workload).node_states().get(node) == "Ready", 60, f"{node} is ready again")
    assert _container(control01, node) == before


def test_a_rebooted_node_comes_back_with_its_pods(workload: Lab, control01: Machine) -> None:
    machine = Machine(workload, MachineName.parse("cube02"))
    before = _container(control01, "cube02")
    machine.reboot()

    def restarted() -> bool:
        return _container(control01, "cube02")[2] > before[2]

    wait_until(restarted, 90, "cube02's pod is started anew")
    assert Api(workload).node_states()["cube02"] == "Ready"


def test_a_node_that_lost_its_power_is_back_at_work_when_up_returns(workload: Lab, control01: Machine) -> None:
    speakers = ["kubectl", "-n", "metallb-system", "get", "pods", "-l", "component=speaker", "-o", "json"]

    def speaker() -> dict[str, Any]:
        pods = json.loads(control01.run(speakers).stdout)["items"]
        (found,) = [pod["status"]["containerStatuses"][0] for pod in pods if pod["spec"]["nodeName"] == "cube02"]
        return dict(found)

    before = speaker()
    Machine(workload, MachineName.parse("cube02")).kill()
    lifecycle.up(workload)
    after = speaker()
    assert (after["ready"], after["restartCount"]) == (True, before["restartCount"] + 1)


def test_the_hosts_own_kernel_settings_stay_as_they_were(lab: Lab, kernel_settings_before: dict[Path, str]) -> None:
    machine = Machine(lab, MachineName.parse("cube01"))
    inside = {path: machine.run(["cat", str(path)]).stdout for path in kernel_settings_before}
    assert {path.name: value for path, value in inside.items()} == {"overcommit_memory": "1\n", "panic": "10\n"}
    if inside == kernel_settings_before:
        pytest.skip("this computer has by itself what a kubelet sets, so nothing would be seen")
    assert {path: path.read_text() for path in kernel_settings_before} == kernel_settings_before


def _lab(lab: Lab, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lab", "--name", lab.name, *arguments]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


def test_a_command_on_the_lan_has_the_clusters_own_command_line(lab: Lab) -> None:
    done = _lab(lab, "run", "kubectl", "get", "nodes", "-o", "name")
    assert done.stdout.split() == [f"node/{name}" for name in NODES]


def test_the_status_shows_each_machine_its_node_and_its_kind(lab: Lab) -> None:
    rows = [line.split() for line in _lab(lab, "show").stdout.splitlines()]
    assert [row for row in rows if row[0] in NODES] == [
        [place.name, place.address, "running", "Ready", *place.kind.login.split(), place.kind.data_dir]
        for place in map(MachineName.parse, NODES)
    ]


def test_a_command_on_a_machine_passes_its_exit_status_on(lab: Lab) -> None:
    assert _lab(lab, "enter", "cube01", "sh", "-c", "hostname; exit 7").stdout == "cube01\n"
    assert _lab(lab, "enter", "cube01", "sh", "-c", "exit 7").returncode == 7


def test_an_image_made_by_the_lab_runs_with_a_shell(workload: Lab, control01: Machine) -> None:
    assert workload.name
    pod = _pods(control01, "asker")["cube01"]["metadata"]["name"]
    script = textwrap.dedent("""\
        echo "from $(ls -d /bin)"
    """)
    answer = control01.run(["kubectl", "-n", NAMESPACE, "exec", pod, "--", "sh", "-c", script])
    assert answer.stdout == "from /bin\n"
