"""The policy pack by the real CLI: what it refuses fails the preview, with a sentence."""

import sys
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, Final

import pytest
import yaml

from lab.engine import Engine
from lab.settings import PROJECT

pytestmark = pytest.mark.engine
POLICY: Final = PROJECT / "policy"
DIGEST: Final = "registry:3@sha256:" + "0" * 64
PROTECTED: Final = {"image": DIGEST, "storage": {"className": "local-path"}, "certificates": {}}


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """Starts the pack as the language host of a newer Pulumi does; the lab's own is older than policy packs."""
    started = tmp_path / "pack"
    started.write_text(f'#!/bin/sh\nexec {sys.executable} -u -m pulumi.policy "$1" {POLICY}\n')
    started.chmod(0o755)
    return started


def preview(engine: Engine, folder: Path, changes: dict[str, Any], *arguments: str) -> CompletedProcess[str]:
    engine.ensure_stack("dev")
    document = yaml.safe_load((PROJECT / "Pulumi.dev.yaml").read_text())
    document["config"] |= {f"k3s-registry:{key}": value for key, value in changes.items()}
    file = folder / "Pulumi.dev.yaml"
    file.write_text(yaml.safe_dump(document))
    command = ["preview", "--stack", "dev", "--config-file", str(file), "--color", "never", *arguments]
    return engine.run(command, capture=True, timeout=120)


def test_the_lab_is_refused_as_a_stack_whose_images_count(engine: Engine, pack: Path, tmp_path: Path) -> None:
    done = preview(engine, tmp_path, {}, "--policy-pack", str(pack))
    assert done.returncode != 0
    for sentence in (
        "image registry:3 is not pinned by digest",
        "the claim that holds the images is not protected",
        "the issuing authority is not protected",
    ):
        assert sentence in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("changes", "arguments"),
    [
        pytest.param({}, ["--policy-pack-config", str(POLICY / "lab.json")], id="a-lab", marks=pytest.mark.long),
        pytest.param(PROTECTED, [], id="a-stack-that-keeps-its-images"),
    ],
)
def test_the_pack_accepts(
    engine: Engine, pack: Path, tmp_path: Path, changes: dict[str, Any], arguments: list[str]
) -> None:
    done = preview(engine, tmp_path, changes, "--policy-pack", str(pack), *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "k3s-registry@v" in done.stdout
    assert "[mandatory]" not in done.stdout
