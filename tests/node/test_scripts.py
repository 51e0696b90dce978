"""The node scripts as files: clean, and fit to travel."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from components.node_script import render
from tests.node.node import Shell

FOLDER = Path(__file__).parents[2] / "components" / "node"
SCRIPTS = sorted(path.name for path in FOLDER.glob("*.sh"))
LARGEST = 6000
"""Bytes of a script as it travels: the state keeps it once for every node."""


@pytest.mark.parametrize("script", SCRIPTS)
def test_shellcheck_finds_nothing(script: str) -> None:
    # The one of the virtual environment: other versions find other things.
    program = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([program, "--norc", FOLDER / script], capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert done.returncode == 0


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_script_is_still_one_after_comments_are_stripped(script: str, shell: Shell) -> None:
    done = subprocess.run(
        [
            *shell.argv,
            "-c",
            "eval \"$(sed 's/ && eval .*//')\" && printf '%s\\n' \"$script\" | sed 's/^exec .*//' | sh -n",
        ],
        input=render(script, {}),
        env={"PATH": f"{shell.tools}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_script_has_no_here_documents(script: str) -> None:
    assert not re.search(r"<<", (FOLDER / script).read_text())


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_script_travels_small(script: str) -> None:
    assert len(render(script, {})) < LARGEST
