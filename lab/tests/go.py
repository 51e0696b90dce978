"""The Go compiler, and programs that are scripts, for tests of what the lab builds."""

import textwrap
from pathlib import Path

import pytest

from lab.go_compiler import Go, find_go
from lab.settings import LabError


def executable(path: Path, script: str) -> Path:
    """A shell script as a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + textwrap.dedent(script))
    path.chmod(0o755)
    return path


def compiler() -> Go:
    """The compiler; skips the test where there is none."""
    try:
        return find_go()
    except LabError as error:
        pytest.skip(str(error))
