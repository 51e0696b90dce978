"""What upstream's Kubernetes provider does with objects that exist, in the release that the lab builds."""

from pathlib import Path

import pytest

from lab.engine import Engine
from lab.machines import Machine
from lab.settings import Lab

STACK = "test"
PROGRAM = """\
import pulumi_kubernetes as k8s

k8s.core.v1.Namespace("taken", metadata={"name": "default"})
k8s.core.v1.ConfigMap("free", metadata={"name": "free", "namespace": "default"}, data={"key": "value"})
"""


@pytest.fixture
def engine(lab: Lab, tmp_path: Path) -> Engine:
    made = Engine.at(tmp_path / "state", kubeconfig=lab.kubeconfig)
    made.install_plugins()
    return made


def test_an_object_that_exists_is_not_taken_over(lab: Lab, engine: Engine, control01: Machine, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: existing\nruntime: python\n")
    (tmp_path / "__main__.py").write_text(PROGRAM)
    engine.ensure_stack(STACK, tmp_path)

    def run(command: str, *options: str) -> str:
        call = [command, "--yes", "--skip-preview", "--non-interactive", "--stack", STACK, *options]
        done = engine.run(call, tmp_path, netns=lab.lan_namespace_path, capture=True, timeout=120)
        return done.stdout + done.stderr

    said = run("up", "--continue-on-error")
    shown = control01.run(["kubectl", "get", "namespace", "default", "--show-managed-fields", "-o", "yaml"]).stdout
    left = run("destroy")

    assert 'was not successfully created by the Kubernetes API server: namespaces "default" already exists' in said
    assert "pulumi" not in shown
    assert "kubernetes:core/v1:ConfigMap free" in said
    assert "kubernetes:core/v1:Namespace" not in left, "what was refused must not be in the state"
