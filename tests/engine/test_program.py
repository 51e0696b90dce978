"""The program itself by the real engine: no cluster, no machine."""

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import yaml

from lab.engine import Engine
from lab.settings import PROJECT

pytestmark = pytest.mark.engine
RSA = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7"
Preview = Callable[[dict[str, Any]], CompletedProcess[str]]


@pytest.fixture
def preview(engine: Engine, tmp_path: Path) -> Preview:
    """Previews the program with some keys of the committed stack file changed; None removes a key."""
    engine.ensure_stack("dev")

    def run(changes: dict[str, Any]) -> CompletedProcess[str]:
        document = yaml.safe_load((PROJECT / "Pulumi.dev.yaml").read_text())
        for key, value in changes.items():
            document["config"][f"k3s-registry:{key}"] = value
        document["config"] = {key: value for key, value in document["config"].items() if value is not None}
        path = tmp_path / "Pulumi.dev.yaml"
        path.write_text(yaml.safe_dump(document))
        arguments = ["preview", "--stack", "dev", "--config-file", str(path), "--color", "never"]
        return engine.run(arguments, capture=True, timeout=120)

    return run


def test_the_whole_plan_is_shown_without_a_cluster(preview: Preview) -> None:
    done = preview({})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "+ 23 to create" in done.stdout


def test_bad_input_comes_as_one_error_that_lists_everything(preview: Preview) -> None:
    nodes = {
        "cube01": {"host": "10.77.0.12", "hostKey": RSA},
        "cube02": {"host": "10.77.0.12", "hostKey": RSA},
    }
    done = preview(
        {"hostname": "registry cube", "ip": "10.77.0", "nodes": nodes, "hostnme": "x", "storage": {"sise": 1}}
    )
    text = done.stdout + done.stderr
    assert done.returncode != 0
    # The progress line repeats what the diagnostics say.
    assert text.partition("Diagnostics:")[2].count("the stack configuration has 7 problems") == 1
    for key in ("hostname:", "ip:", "nodes.cube01.hostKey:", "nodes.cube02.hostKey:", "nodes.cube02.host:", "hostnme:"):
        assert f"- {key}" in text
    assert "Traceback" not in text


def test_a_missing_key_is_listed_with_the_others(preview: Preview) -> None:
    done = preview({"hostname": None, "ip": None})
    text = done.stdout + done.stderr
    assert "- hostname: is missing" in text
    assert "- ip: is missing" in text


def test_a_private_key_in_plain_text_is_refused_and_not_shown(preview: Preview) -> None:
    done = preview({"sshPrivateKey": "very secret words"})
    text = done.stdout + done.stderr
    assert "sshPrivateKey: is stored unencrypted in the stack file" in text
    assert "very secret words" not in text
