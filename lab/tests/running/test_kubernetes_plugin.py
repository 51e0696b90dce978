"""What upstream's Kubernetes provider does with objects that exist, in the release that the lab builds."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lab.engine import Engine
from lab.machines import Machine
from lab.settings import Lab
from lab.tests.waiting import wait_until

STACK = "test"
EXISTING = """\
import pulumi_kubernetes as k8s

k8s.core.v1.Namespace("taken", metadata={"name": "default"})
k8s.core.v1.ConfigMap("free", metadata={"name": "free", "namespace": "default"}, data={"key": "value"})
"""
CLAIM = """\
import pulumi_kubernetes as k8s

k8s.core.v1.PersistentVolumeClaim(
    "claim",
    metadata={"name": "bound", "namespace": "default", "labels": {"version": "former"}},
    spec={
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "local-path",
        "volumeName": "bound",
        "resources": {"requests": {"storage": "1Mi"}},
    },
)
"""
VOLUME = """\
apiVersion: v1
kind: PersistentVolume
metadata: {name: bound}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: local-path
  capacity: {storage: 1Mi}
  hostPath: {path: /tmp}
"""


@pytest.fixture
def engine(lab: Lab, tmp_path: Path) -> Engine:
    made = Engine.at(tmp_path / "state", kubeconfig=lab.kubeconfig)
    made.install_plugins()
    return made


Run = Callable[..., str]


@pytest.fixture
def run(lab: Lab, engine: Engine, tmp_path: Path) -> Run:
    """Runs the CLI on the program in `tmp_path` and returns its output."""
    (tmp_path / "Pulumi.yaml").write_text("name: existing\nruntime: python\n")
    engine.ensure_stack(STACK, tmp_path)

    def run(command: str, *options: str) -> str:
        call = [command, "--yes", "--skip-preview", "--non-interactive", "--stack", STACK, *options]
        done = engine.run(call, tmp_path, netns=lab.lan_namespace_path, capture=True, timeout=120)
        return done.stdout + done.stderr

    return run


def test_an_object_that_exists_is_not_taken_over(run: Run, control01: Machine, tmp_path: Path) -> None:
    (tmp_path / "__main__.py").write_text(EXISTING)

    said = run("up", "--continue-on-error")
    shown = control01.run(["kubectl", "get", "namespace", "default", "--show-managed-fields", "-o", "yaml"]).stdout
    left = run("destroy")

    assert 'was not successfully created by the Kubernetes API server: namespaces "default" already exists' in said
    assert "pulumi" not in shown
    assert "kubernetes:core/v1:ConfigMap free" in said
    assert "kubernetes:core/v1:Namespace" not in left, "what was refused must not be in the state"


def test_an_update_of_a_bound_claim_does_not_wait(run: Run, control01: Machine, tmp_path: Path) -> None:
    """The claim's class binds late: upstream's release 4.25 waits until the claim is Pending again."""
    program = tmp_path / "__main__.py"
    program.write_text(CLAIM)
    run("up")
    phase = ["kubectl", "get", "persistentvolumeclaim", "bound", "-o", "jsonpath={.status.phase}"]
    try:
        control01.run(["kubectl", "apply", "-f", "-"], stdin=VOLUME)
        wait_until(lambda: control01.run(phase).stdout == "Bound", 30, "the claim is bound")
        program.write_text(CLAIM.replace("former", "latter"))
        said = run("up")
    finally:
        run("destroy")
        control01.run(["kubectl", "delete", "persistentvolume", "bound", "--ignore-not-found"])

    assert "~  kubernetes:core/v1:PersistentVolumeClaim claim updated" in said
