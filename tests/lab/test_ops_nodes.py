"""`python -m ops nodes` and `new` by a user's checkout on the LAN."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab.deployment import STACK
from lab.settings import PROJECT

from .deployed import Deployed

pytestmark = pytest.mark.lab
PARTS = ("Pulumi.yaml", f"Pulumi.{STACK}.yaml", "__main__.py", "components", "ops")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the program, whose stack files may change."""
    for part in PARTS:
        source, target = PROJECT / part, tmp_path / part
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    return tmp_path


def ops(deployed: Deployed, checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command as on a workstation: pulumi, kubectl and ssh-keyscan are the user's."""
    lab, engine = deployed.program.lab, deployed.program.engine
    environment = engine.environment()
    environment["PATH"] = os.pathsep.join([str(lab.programs), environment["PATH"]])
    command = lab.in_lan(sys.executable, "-m", "ops", *words)
    return subprocess.run(
        command, cwd=checkout, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def test_a_late_node_is_added_as_it_was_listed_before(deployed: Deployed, checkout: Path) -> None:
    file = checkout / f"Pulumi.{STACK}.yaml"
    whole = file.read_text(encoding="utf-8")
    before, late, _ = whole.partition("    cube02:\n")
    file.write_text(before, encoding="utf-8")
    refused = ops(deployed, checkout, "nodes", "--stack", STACK)
    assert (refused.returncode, file.read_text(encoding="utf-8")) == (2, before), refused.stderr
    assert "--yes agrees in advance" in refused.stderr
    done = ops(deployed, checkout, "nodes", "--stack", STACK, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    added = file.read_text(encoding="utf-8").removeprefix(before)
    # The user of this machine is the only line that the cluster cannot know.
    assert whole.startswith(before + added)
    assert added.startswith(late)


@pytest.mark.long
def test_a_new_stack_goes_up_with_what_the_cluster_suggests(deployed: Deployed, checkout: Path) -> None:
    program = deployed.program
    program.run("destroy", "--yes", "--skip-preview")
    try:
        done = ops(deployed, checkout, "new", "home", "--yes")
        assert done.returncode == 0, done.stdout + done.stderr
        file = checkout / "Pulumi.home.yaml"
        # A throwaway cluster: the stack below is removed again.
        text = file.read_text(encoding="utf-8").replace("    size:", "    protect: false\n    size:")
        file.write_text(text + "  k3s-registry:certificates: {protect: false}\n", encoding="utf-8")
        for command in ("up", "destroy"):
            args = [command, "--yes", "--skip-preview", "--stack", "home"]
            netns = program.lab.lan_namespace_path
            ran = program.engine.run(args, checkout, netns=netns, capture=True, timeout=300)
            assert ran.returncode == 0, ran.stdout + ran.stderr
    finally:
        program.restore()
