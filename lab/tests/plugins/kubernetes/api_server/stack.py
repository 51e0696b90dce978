"""A throwaway Pulumi project with the resources that a test sets, run by the real engine with the stand-in plugin."""

import json
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.engine import Engine

PROJECT_NAME = "stand-in"
_PROGRAM = """\
import json
import pathlib

import pulumi
import pulumi_kubernetes as k8s

wanted = json.loads(pathlib.Path("wanted.json").read_text())
provider = k8s.Provider("lab", **wanted["provider"])
made = {}
for name, resource in wanted["resources"].items():
    kind = k8s
    for part in resource["kind"].split("."):
        kind = getattr(kind, part)
    options = pulumi.ResourceOptions(
        provider=provider,
        depends_on=[made[other] for other in resource.get("after", [])],
        ignore_changes=resource.get("ignore_changes"),
        custom_timeouts=pulumi.CustomTimeouts(**resource.get("timeouts", {})),
    )
    made[name] = kind(name, **resource["args"], opts=options)
for name, (resource, field) in wanted.get("outputs", {}).items():
    pulumi.export(name, getattr(made[resource], field))
"""


@dataclass
class Step:
    """The result of one run of the engine."""

    ok: bool
    text: str
    seconds: float
    events: list[dict[str, Any]] = field(default_factory=list)

    def ops(self) -> dict[str, list[str]]:
        """The steps of each changed resource, by its name, in order."""
        found: dict[str, list[str]] = {}
        for event in self.events:
            metadata = event.get("resourcePreEvent", {}).get("metadata")
            if metadata and metadata["op"] not in ("same", "refresh"):
                found.setdefault(metadata["urn"].rsplit("::", 1)[-1], []).append(metadata["op"])
        return found

    def diagnostics(self, severity: str) -> str:
        """The engine's messages of a severity (`error`, `warning`), as one string."""
        events = [event["diagnosticEvent"] for event in self.events if "diagnosticEvent" in event]
        return "\n".join(event["message"] for event in events if event["severity"] == severity)


class Stack:
    """One stack of the engine's, with its project below `folder`."""

    def __init__(self, engine: Engine, name: str, folder: Path, provider: Mapping[str, Any]) -> None:
        self._engine = engine
        self._name = name
        self._project = folder / "project"
        self._project.mkdir(parents=True)
        (self._project / "Pulumi.yaml").write_text(f"name: {PROJECT_NAME}\nruntime: python\n")
        (self._project / "__main__.py").write_text(_PROGRAM)
        self.provider = dict(provider)
        self.resources: dict[str, dict[str, Any]] = {}
        self.outputs: dict[str, tuple[str, str]] = {}
        engine.ensure_stack(name, self._project)

    def pulumi(self, *args: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run the CLI."""
        return self._engine.run(
            [*args, "--stack", self._name, "--non-interactive"],
            self._project,
            # The CLI accepts --event-log only with this variable.
            extra_env={"PULUMI_DEBUG_COMMANDS": "true", **(env or {})},
            capture=True,
            timeout=300,
        )

    def up(self, *args: str, env: Mapping[str, str] | None = None) -> Step:
        """`pulumi up --skip-preview`."""
        return self._step("up", "--yes", "--skip-preview", *args, env=env)

    def preview(self, *args: str) -> Step:
        """`pulumi preview`."""
        return self._step("preview", *args)

    def refresh(self, env: Mapping[str, str] | None = None) -> Step:
        """`pulumi refresh --skip-preview`."""
        return self._step("refresh", "--yes", "--skip-preview", env=env)

    def destroy(self, env: Mapping[str, str] | None = None) -> Step:
        """`pulumi destroy --skip-preview`."""
        return self._step("destroy", "--yes", "--skip-preview", env=env)

    def output(self, name: str) -> Any:
        """A stack output."""
        return json.loads(self.pulumi("stack", "output", name, "--json", "--show-secrets").stdout)

    def state(self) -> str:
        """The content of the stack's state file."""
        return (self._engine.backend / ".pulumi/stacks" / PROJECT_NAME / f"{self._name}.json").read_text()

    def resources_in_state(self) -> list[dict[str, Any]]:
        """The resources in the stack's state."""
        return list(json.loads(self.state())["checkpoint"]["latest"].get("resources") or [])

    def _step(self, *args: str, env: Mapping[str, str] | None = None) -> Step:
        wanted = {"provider": self.provider, "resources": self.resources, "outputs": self.outputs}
        (self._project / "wanted.json").write_text(json.dumps(wanted))
        log = self._project.parent / "events.json"
        log.unlink(missing_ok=True)
        started = time.monotonic()
        done = self.pulumi(*args, "--event-log", str(log), env=env)
        seconds = time.monotonic() - started
        events = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return Step(done.returncode == 0, done.stdout + done.stderr, seconds, events)
