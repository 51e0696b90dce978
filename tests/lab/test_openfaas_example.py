"""The example beside an installed OpenFaaS: what it hands out, what it leaves alone, and a function that runs."""

import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest
import yaml

from lab.deployment import STACK
from lab.machines import Machine
from lab.settings import PROJECT
from lab.tests.waiting import wait_until

from .deployed import Deployed
from .program import Program, Result

pytestmark = pytest.mark.lab
EXAMPLE = PROJECT / "examples" / "openfaas"
NAMESPACE = "openfaas-fn"
CORE = "openfaas-core"
SAID = "hello from a function\n"
PODS_SECONDS = 60
CHART = {
    "Chart.yaml": "apiVersion: v2\nname: openfaas\nversion: 1.0.0\n",
    "templates/found.yaml": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: found}\n"
        "data: {policy: {{ .Values.functions.imagePullPolicy }}, functions: {{ .Values.functionNamespace }}}\n"
    ),
}


@dataclass(frozen=True)
class Consumer:
    """A copy of the example with a stack of its own, since creating a stack leaves a file in the directory."""

    deployed: Deployed
    project: Path

    def run(self, *args: str, expect: int | None = 0) -> Result:
        return self.deployed.program.run(*args, project=self.project, expect=expect)

    def up(self, **config: Any) -> Result:
        keys = {f"openfaas-functions:{name}": value for name, value in config.items()}
        file = self.project / f"Pulumi.{STACK}.yaml"
        document = yaml.safe_load(file.read_text())
        file.write_text(yaml.safe_dump({**document, "config": keys}))
        return self.run("up", "--yes", "--skip-preview")

    def outputs(self) -> dict[str, Any]:
        return self.deployed.program.engine.outputs(STACK, self.project)

    def kubectl(self, *args: str) -> str:
        return self.deployed.program.kubectl("-n", NAMESPACE, *args)

    def pods(self) -> list[dict[str, Any]]:
        """The function's pods that are ready."""
        found = json.loads(self.kubectl("get", "pods", "-l", "faas_function=hello", "-o", "json"))["items"]
        return [
            pod
            for pod in found
            if all(status["ready"] for status in pod["status"].get("containerStatuses", [{"ready": 0}]))
        ]


def written_chart(folder: Path) -> Path:
    """The chart, as a directory."""
    for name, text in CHART.items():
        file = folder / "chart" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder / "chart"


@pytest.fixture(scope="module")
def project(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, with a stack."""
    top = tmp_path_factory.mktemp("example")
    project = top / "examples" / "openfaas"
    shutil.copytree(EXAMPLE, project, ignore=shutil.ignore_patterns("__pycache__"))
    (top / ".venv").symlink_to(deployed.program.engine.venv)
    deployed.program.engine.ensure_stack(STACK, project)
    return project


@pytest.fixture
def consumer(deployed: Deployed, project: Path) -> Iterator[Consumer]:
    """The example, in a cluster whose OpenFaaS has its namespace already, with a function of somebody else's in it."""
    program = deployed.program
    program.kubectl("create", "namespace", NAMESPACE)
    program.kubectl("-n", NAMESPACE, "create", "configmap", "of-somebody-else")
    yield Consumer(deployed, project)
    program.run("state", "unprotect", "--all", "--yes", project=project)
    program.run("destroy", "--yes", "--skip-preview", project=project)
    program.kubectl("delete", "namespace", NAMESPACE)


def push_function(deployed: Deployed, text: str, tag: str) -> str:
    """Push an image that keeps the contract of a function: HTTP on port 8080, and `/_/health`."""
    files = {"www/index.html": text.encode(), "www/_/health": b"OK\n"}
    # It goes on for the seconds in which it may still be asked, and then ends at once.
    serve = "trap 'sleep 3; exit 0' TERM; /bin/busybox httpd -f -p 8080 -h /www & wait"
    command = ("/bin/sh", "-c", serve)
    return deployed.push("openfaas/hello", files=files, tag=tag, command=command)


def test_it_lives_beside_an_installed_openfaas_and_leaves_its_functions_alone(consumer: Consumer) -> None:
    consumer.up()
    assert consumer.outputs()["OPENFAAS_PREFIX"] == "registry.cube.local:5000/openfaas"
    authority = json.loads(consumer.kubectl("get", "configmap", "registry-authority", "-o", "json"))
    assert authority["data"]["ca.crt"] == consumer.deployed.program.outputs()["trustBundlePem"]
    consumer.run("destroy", "--yes", "--skip-preview")
    left = consumer.kubectl("get", "configmaps", "-o", "name").split()
    assert left == ["configmap/kube-root-ca.crt", "configmap/of-somebody-else"]


@pytest.mark.long
def test_namespaces_that_it_created_outlive_it(consumer: Consumer, tmp_path: Path) -> None:
    kubectl = consumer.deployed.program.kubectl
    kubectl("delete", "namespace", NAMESPACE)
    consumer.up(createNamespace=True, chart={"name": str(written_chart(tmp_path)), "namespace": CORE})
    assert kubectl("-n", CORE, "get", "configmap", "found", "-o", "name")
    consumer.kubectl("create", "configmap", "of-somebody-else")
    refused = consumer.run("destroy", "--yes", "--skip-preview", expect=None)
    assert refused.status != 0
    assert "it is protected" in refused.text
    consumer.run("state", "unprotect", "--all", "--yes")
    consumer.run("destroy", "--yes", "--skip-preview")
    assert consumer.kubectl("get", "configmap", "of-somebody-else", "-o", "name")
    kubectl("delete", "namespace", CORE)


@pytest.mark.long
def test_openfaas_is_installed_by_its_chart_with_these_values(consumer: Consumer, tmp_path: Path) -> None:
    consumer.up(chart={"name": str(written_chart(tmp_path)), "namespace": NAMESPACE})
    found = json.loads(consumer.kubectl("get", "configmap", "found", "-o", "json"))["data"]
    assert found == {"policy": "IfNotPresent", "functions": NAMESPACE}


def test_a_function_runs_on_every_node_and_answers(consumer: Consumer) -> None:
    image = push_function(consumer.deployed, SAID, "1.0.0")
    consumer.up(function="hello:1.0.0", replicas=len(consumer.deployed.program.machines))
    wait_until(
        lambda: nodes(consumer) == set(consumer.deployed.program.machines), PODS_SECONDS, "a pod on each node", 0.5
    )
    assert {pod["spec"]["containers"][0]["image"] for pod in consumer.pods()} == {image}
    assert invoked(consumer) == SAID
    assert "unchanged" in consumer.up(function="hello:1.0.0", replicas=3).text


@pytest.mark.long
def test_a_function_answers_through_a_rotation_and_new_pods_pull(consumer: Consumer) -> None:
    program = consumer.deployed.program
    push_function(consumer.deployed, SAID, "1.0.0")
    consumer.up(function="hello:1.0.0", replicas=3)
    wait_until(lambda: nodes(consumer) == set(program.machines), PODS_SECONDS, "a pod on each node", 0.5)
    steps = [(["one", "two"], "one"), (["one", "two"], "two"), (["two"], "two")]
    try:
        with Invoking(consumer) as invoking:
            for number, (authorities, issuer) in enumerate(steps):
                program.up(config=rotated(program, authorities, issuer))
                # Another version has to be pulled by every node.
                push_function(consumer.deployed, SAID, f"2.0.{number}")
                consumer.up(function=f"hello:2.0.{number}", replicas=3)
                wait_until(lambda: nodes(consumer) == set(program.machines), PODS_SECONDS, "a pod on each node", 0.5)
                bundle = json.loads(consumer.kubectl("get", "configmap", "registry-authority", "-o", "json"))
                assert bundle["data"]["ca.crt"] == program.outputs()["trustBundlePem"]
        assert invoking.failures == []
        assert invoking.answers > len(steps), "the load must have been there"
    finally:
        program.run("destroy", "--yes", "--skip-preview")
        program.up()


def rotated(program: Program, authorities: list[str], issuer: str) -> Path:
    """The registry's stack file with this step of a rotation."""
    plan = {"authorities": authorities, "issuer": issuer}
    return program.configuration(lambda keys: keys["certificates"].update(plan))


def nodes(consumer: Consumer) -> set[str]:
    """The nodes on which the function has a ready pod."""
    return {pod["spec"]["nodeName"] for pod in consumer.pods()}


def server(consumer: Consumer) -> Machine:
    return consumer.deployed.program.machines["control01"]


def invoked(consumer: Consumer) -> str:
    """The function's answer over HTTP, by its Service."""
    address = consumer.kubectl("get", "service", "hello", "-o", "jsonpath={.spec.clusterIP}")
    return server(consumer).run(["curl", "-sS", "-m", "10", f"http://{address}:8080/"]).stdout


@dataclass
class Invoking:
    """Invokes the function again and again inside a `with` block."""

    consumer: Consumer
    answers: int = 0
    failures: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        address = self.consumer.kubectl("get", "service", "hello", "-o", "jsonpath={.spec.clusterIP}")
        self._thread = threading.Thread(target=self._invoke, args=(f"http://{address}:8080/",))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._thread.join()

    def _invoke(self, url: str) -> None:
        while not self.stop.wait(0.3):
            done = server(self.consumer).run(["curl", "-sS", "-m", "10", url], check=False)
            self.answers += 1
            if done.stdout != SAID:
                self.failures.append(f"{done.returncode}: {done.stdout}{done.stderr}")
