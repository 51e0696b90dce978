"""Fixtures of the tests of the registry's scripts: shells, and images on disk."""

import os
import shutil
from pathlib import Path

import pytest

from lab import toolchain
from tests.registry.scripts.image_store import Cleaner, ImageStore


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The registry, and what Alpine has and this computer may lack."""
    built = toolchain.ensure(["registry", "alpine"])
    folder = tmp_path_factory.mktemp("programs")
    (folder / "registry").symlink_to(built["registry"])
    for name in ("flock", "ssl_client"):
        (folder / name).symlink_to(built["alpine"])
    return folder


@pytest.fixture(params=["dash", "busybox"])
def shell(request: pytest.FixtureRequest) -> tuple[str, ...]:
    program = shutil.which(request.param)
    if program is None:
        pytest.skip(f"{request.param} is not installed")
    return (program, "sh") if request.param == "busybox" else (program,)


@pytest.fixture
def cleaner(shell: tuple[str, ...], programs: Path, tmp_path: Path) -> Cleaner:
    path = f"{programs}:{os.environ['PATH']}"
    return Cleaner(ImageStore(tmp_path / "claim"), shell, path, tmp_path / "work")
