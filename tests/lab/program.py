"""The program on the test lab, by the real engine, with the committed stack file or a changed copy of it."""

import copy
import json
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lab.deployment import STACK, Registry
from lab.engine import Engine
from lab.machines import Machine, machines
from lab.settings import PROJECT, Lab

from .pace import Pace
from .private_keys import needles_by_key

PREFIX = "k3s-registry:"
READING = {"preview", "config"}
"""Commands after which the deployment is what it was."""


@dataclass(frozen=True)
class Result:
    """The result of one run of the CLI."""

    status: int
    text: str
    seconds: float


@dataclass
class Program:
    """Runs `pulumi` for the lab's stack and keeps all its output."""

    lab: Lab
    engine: Engine
    folder: Path
    printed: list[str] = field(default_factory=list)
    private_keys: dict[int, set[bytes]] = field(default_factory=dict)
    """The strings that reveal each private key the stack ever had, by the key's secret number."""
    is_committed: bool = False
    """Whether the last run that may have changed anything has deployed the committed stack file."""

    def configuration(self, change: Callable[[dict[str, Any]], object] | None = None) -> Path:
        """Write a copy of the committed stack file, changed by `change`, which sees the keys without prefix."""
        document = yaml.safe_load((PROJECT / f"Pulumi.{STACK}.yaml").read_text())
        keys = {name.removeprefix(PREFIX): copy.deepcopy(value) for name, value in document["config"].items()}
        if change is not None:
            change(keys)
        document["config"] = {f"{PREFIX}{name}": value for name, value in keys.items()}
        path = self.folder / f"Pulumi.{time.monotonic_ns()}.yaml"
        path.write_text(yaml.safe_dump(document))
        return path

    def run(
        self,
        *args: str,
        config: Path | None = None,
        expect: int | None = 0,
        project: Path = PROJECT,
        environment: Mapping[str, str] | None = None,
    ) -> Result:
        """Run the CLI on the lab's stack; fails the test if the exit status is not the expected one."""
        if args[0] == "destroy":
            self.note_private_keys()
        if args[0] not in READING:
            self.is_committed = False
        chosen = ["--config-file", str(config)] if config else []
        started = time.monotonic()
        done = self._engine_run(*args, *chosen, project=project, environment=environment)
        result = Result(done.returncode, done.stdout + done.stderr, time.monotonic() - started)
        self.printed.append(result.text)
        assert expect is None or result.status == expect, f"pulumi {' '.join(args)}:\n{result.text}"
        if args[0] == "up" and result.status == 0 and project == PROJECT and config is None:
            self.is_committed = True
        return result

    def restore(self) -> None:
        """Deploy the committed stack file, unless that is deployed."""
        if not self.is_committed:
            self.up()

    def _engine_run(
        self, *args: str, project: Path = PROJECT, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        netns = self.lab.lan_namespace_path
        return self.engine.run(
            [*args, "--stack", STACK], project, netns=netns, extra_env=environment, capture=True, timeout=300
        )

    def note_private_keys(self) -> None:
        """Store the strings that reveal the current state's keys, before those are replaced."""
        # This does not use `run`, since an exported state is no output of the program.
        exported = self._engine_run("stack", "export", "--show-secrets")
        assert exported.returncode == 0, exported.stderr
        self.private_keys.update(needles_by_key(exported.stdout))

    def pace(self) -> Pace:
        """Measure how fast a run is now that starts the same processes as `up` and changes nothing."""
        return Pace(self.run("preview").seconds)

    def up(
        self,
        *args: str,
        config: Path | None = None,
        expect: int | None = 0,
        environment: Mapping[str, str] | None = None,
    ) -> Result:
        """Run `pulumi up` without a preview."""
        return self.run("up", "--yes", "--skip-preview", *args, config=config, expect=expect, environment=environment)

    def planned(self, config: Path) -> dict[str, str]:
        """The steps of a preview by resource name, without unchanged resources."""
        text = self.run("preview", "--json", config=config).text
        steps = json.loads(text[text.index("{") :])["steps"]
        return {step["urn"].rpartition("::")[2]: step["op"] for step in steps if step["op"] != "same"}

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs."""
        return self.engine.outputs(STACK)

    def registry(self) -> Registry:
        """The registry as the outputs describe it."""
        return Registry.of(self.outputs())

    @property
    def machines(self) -> dict[str, Machine]:
        """The lab's machines by name."""
        return {machine.name: machine for machine in machines(self.lab)}

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        """Run `kubectl` on the server and return its output."""
        server = self.machines["control01"]
        return server.run(server.kind.k3s("kubectl", "--cache-dir=/tmp/kubectl", *args), stdin=stdin).stdout


def only(*names: str) -> Callable[[dict[str, Any]], None]:
    """A change of the configuration that keeps only these nodes."""

    def change(keys: dict[str, Any]) -> None:
        keys["nodes"] = {name: node for name, node in keys["nodes"].items() if name in names}

    return change
