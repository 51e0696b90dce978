"""The node scripts as files: without findings of linters, and small enough to travel."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from components.nodes.script import DOCTOR, PROOF, TRUST, TRUST_WITH_RESTART, Script, render
from tests.nodes.scripts.shells import Shell

DIRECTORY = Path(__file__).parents[3] / "components/nodes/scripts"
FILES = sorted(path.name for path in DIRECTORY.glob("*.sh"))
SCRIPTS = {"trust": TRUST, "trust with restart": TRUST_WITH_RESTART, "proof": PROOF, "doctor": DOCTOR}
EVERY_FILE = sorted(path.name for path in DIRECTORY.iterdir() if path.suffix in {".sh", ".awk"})
LONGEST, WIDEST = 250, 120
LARGEST = {"trust": 19550, "trust with restart": 21150, "proof": 8200}
"""Bytes of a script as it travels: the state stores it once per node. The doctor's is stored nowhere."""
scripts = pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())


def shellcheck(file: Path) -> str:
    # The shellcheck of the virtual environment: other versions have other findings.
    program = Path(sys.executable).with_name("shellcheck")
    return subprocess.run([program, "--norc", file], capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("file", FILES)
def test_shellcheck_finds_nothing(file: str) -> None:
    assert shellcheck(DIRECTORY / file) == ""


@scripts
def test_shellcheck_finds_nothing_in_the_joined_parts(script: Script, tmp_path: Path) -> None:
    joined = tmp_path / "joined.sh"
    joined.write_text(script.source())
    assert shellcheck(joined) == ""


def test_every_file_travels() -> None:
    parts = {part for script in SCRIPTS.values() for part in script.parts}
    assert parts == {path.name for path in DIRECTORY.iterdir() if path.suffix in {".sh", ".awk"}}


@pytest.mark.parametrize("file", EVERY_FILE)
def test_no_file_is_long_or_wide(file: str) -> None:
    lines = (DIRECTORY / file).read_text().splitlines()
    assert len(lines) <= LONGEST
    assert [line for line in lines if len(line.expandtabs(4)) > WIDEST] == []


@pytest.mark.parametrize("file", sorted(set(FILES) - {"trust.sh", "proof.sh", "doctor.sh"}))
def test_a_part_holds_only_functions(file: str) -> None:
    outside = re.sub(r"^\w+\(\) \{\n.*?^\}\n", "", (DIRECTORY / file).read_text(), flags=re.MULTILINE | re.DOTALL)
    assert [line for line in outside.splitlines() if line and not line.startswith("#")] == []


@pytest.mark.parametrize("file", [file for file in EVERY_FILE if file.endswith(".awk")])
def test_an_awk_program_can_be_quoted_as_it_is(file: str) -> None:
    assert Script((file,)).source().count("'") == 2


@scripts
def test_the_script_is_still_one_after_comments_are_stripped(script: Script, shell: Shell) -> None:
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


@scripts
def test_the_script_has_no_here_documents(script: Script) -> None:
    assert not re.search(r"<<[^\"]", script.source())


@pytest.mark.parametrize("name", LARGEST)
def test_the_script_travels_small(name: str) -> None:
    assert len(render(SCRIPTS[name], {})) < LARGEST[name]
