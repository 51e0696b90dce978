"""The awk programs of the node scripts, by each awk that a node may have."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

DIRECTORY = Path(__file__).parents[3] / "components/nodes/scripts"
AWKS = {"mawk": ["mawk"], "gawk": ["gawk"], "busybox": ["busybox", "awk"]}


@dataclass(frozen=True)
class Program:
    """An awk program, and how the node scripts start it."""

    files: Sequence[str]
    variables: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, awk: str, text: bytes) -> tuple[int, bytes]:
        """Exit status and output."""
        assigned = [word for name, value in self.variables.items() for word in ("-v", f"{name}={value}")]
        loaded = [word for name in self.files for word in ("-f", str(DIRECTORY / name))]
        done = subprocess.run(
            [*AWKS[awk], *assigned, *loaded],
            input=text,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", **self.environment},
            capture_output=True,
            check=False,
        )
        assert done.stderr == b"", (awk, done.stderr)
        return done.returncode, done.stdout

    def answer(self, text: bytes) -> tuple[int, bytes]:
        """What every awk answers; fails where two differ."""
        answers = {awk: self.run(awk, text) for awk in AWKS}
        assert len(set(answers.values())) == 1, answers
        return answers["mawk"]
