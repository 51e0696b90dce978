"""The node scripts as files: clean, and fit to travel."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from components.node_script import RESTARTING_TRUST, TRUST, render, source
from tests.node.node import Shell

FOLDER = Path(__file__).parents[2] / "components" / "node"
FILES = sorted(path.name for path in FOLDER.glob("*.sh"))
SCRIPTS = ["proof.sh", TRUST, RESTARTING_TRUST]
LONGEST = 300
LARGEST = {"proof.sh": 6000, TRUST: 13500, RESTARTING_TRUST: 15500}
"""Bytes of a script as it travels: the state keeps it once for every node."""


def shellcheck(file: Path) -> str:
    # The one of the virtual environment: other versions find other things.
    program = Path(sys.executable).with_name("shellcheck")
    return subprocess.run([program, "--norc", file], capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("file", FILES)
def test_shellcheck_finds_nothing(file: str) -> None:
    assert shellcheck(FOLDER / file) == ""


@pytest.mark.parametrize("script", SCRIPTS)
def test_shellcheck_finds_nothing_in_the_joined_parts(script: str, tmp_path: Path) -> None:
    joined = tmp_path / script
    joined.write_text(source(script))
    assert shellcheck(joined) == ""


def test_every_file_travels() -> None:
    everything = "".join(map(source, SCRIPTS))
    assert all((FOLDER / file).read_text() in everything for file in FILES)


@pytest.mark.parametrize("file", FILES)
def test_no_file_is_long(file: str) -> None:
    assert len((FOLDER / file).read_text().splitlines()) <= LONGEST


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
    assert not re.search(r"<<[^\"]", source(script))


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_script_travels_small(script: str) -> None:
    assert len(render(script, {})) < LARGEST[script]
