"""A throwaway Pulumi project whose resources are what a test says, run by the real engine with the stand-in plugin."""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lab import toolchain
from lab.settings import PROJECT

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
    """What one run of the engine did."""

    ok: bool
    text: str
    seconds: float
    events: list[dict[str, Any]] = field(default_factory=list)

    def ops(self) -> dict[str, list[str]]:
        """What was done to each resource, by its name, in order. Unchanged resources are left out."""
        found: dict[str, list[str]] = {}
        for event in self.events:
            metadata = event.get("resourcePreEvent", {}).get("metadata")
            if metadata and metadata["op"] not in ("same", "refresh"):
                found.setdefault(metadata["urn"].rsplit("::", 1)[-1], []).append(metadata["op"])
        return found

    def diagnostics(self, severity: str) -> str:
        """The engine's messages of a severity (`error`, `warning`), one text."""
        events = [event["diagnosticEvent"] for event in self.events if "diagnosticEvent" in event]
        return "\n".join(event["message"] for event in events if event["severity"] == severity)


class Stack:
    """One project and stack below `folder`."""

    def __init__(self, folder: Path, provider: Mapping[str, Any]) -> None:
        tools = toolchain.ensure(["pulumi", "pulumi-language"])
        self._project = folder / "project"
        self._project.mkdir(parents=True)
        (folder / "backend").mkdir()
        (self._project / "Pulumi.yaml").write_text("name: stand-in\nruntime: python\n")
        (self._project / "__main__.py").write_text(_PROGRAM)
        self.provider = dict(provider)
        self.resources: dict[str, dict[str, Any]] = {}
        self.outputs: dict[str, tuple[str, str]] = {}
        folders = [str(path.parent) for path in tools.values()]
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PULUMI_", "KUBECONFIG"))}
        self._environment = {
            **kept,
            "PULUMI_HOME": str(folder / "home"),
            "PULUMI_BACKEND_URL": f"file://{folder / 'backend'}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            # Shows the option --event-log.
            "PULUMI_DEBUG_COMMANDS": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), *folders, os.environ["PATH"]]),
        }
        _install_stand_in(folder / "home")
        self.pulumi("stack", "init", "test")

    def pulumi(self, *args: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """The CLI as it is."""
        return subprocess.run(
            ["pulumi", *args, "--non-interactive"],
            cwd=self._project,
            env={**self._environment, **(env or {})},
            check=False,
            capture_output=True,
            text=True,
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
        """The stack's state as it lies on disk."""
        (file,) = Path(self._environment["PULUMI_BACKEND_URL"].removeprefix("file://")).rglob("stacks/**/test.json")
        return file.read_text()

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


def _install_stand_in(home: Path) -> None:
    folder = home / "plugins" / f"resource-kubernetes-v{version('pulumi_kubernetes')}"
    folder.mkdir(parents=True)
    program = folder / "pulumi-resource-kubernetes"
    run = [sys.executable, "-P", "-m", "lab.plugins.kubernetes"]
    program.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(PROJECT))} exec {shlex.join(run)} "$@"\n')
    program.chmod(0o755)
