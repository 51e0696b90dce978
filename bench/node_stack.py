"""The bench's stack: `program/` run by the real engine, in a directory and a backend of its own."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.event_log import EventLog
from bench.measurement import Clock
from lab.engine import Engine
from lab.settings import PROJECT, LabError

STACK = "bench"
PROGRAM = Path(__file__).with_name("program")
UP_SECONDS = 7200


@dataclass(frozen=True, kw_only=True)
class Address:
    """The entry of one node in the configuration."""

    name: str
    host: str
    port: int
    host_key: str


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The settings of one `up`."""

    nodes: Sequence[Address]
    bundle: str
    audit: str = ""
    proof: bool = False
    empty: bool = False

    def text(self) -> str:
        """The settings as JSON, which the program reads."""
        nodes = {n.name: {"host": n.host, "port": n.port, "hostKey": n.host_key} for n in self.nodes}
        settings = {"bundle": self.bundle, "audit": self.audit, "proof": self.proof, "empty": self.empty}
        return json.dumps({"nodes": nodes, **settings})


class NodeStack:
    """Applies settings to nodes with `pulumi up`, repeatedly and from an empty state."""

    def __init__(self, engine: Engine, folder: Path, netns: Path | None = None) -> None:
        self._engine, self._folder, self._netns = engine, folder, netns
        self._project = folder / "program"
        shutil.rmtree(self._project, ignore_errors=True)
        shutil.copytree(PROGRAM, self._project, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.rmtree(engine.backend, ignore_errors=True)
        engine.ensure_stack(STACK, self._project)
        self._fresh = folder / "fresh-backend"
        shutil.rmtree(self._fresh, ignore_errors=True)
        shutil.copytree(engine.backend, self._fresh)

    def forget(self) -> None:
        """Restore the state before the first `up`, without visiting nodes."""
        shutil.rmtree(self._engine.backend)
        shutil.copytree(self._fresh, self._engine.backend)

    def up(
        self, wanted: Wanted, clock: Clock, environment: Mapping[str, str] | None = None, parallel: int | None = None
    ) -> None:
        """Run `pulumi up` without a preview; None leaves the parallelism to the CLI.

        Raises:
            LabError: it failed; the message holds its output.
        """
        self._run(wanted, clock, environment or {}, _parallel(parallel))

    def up_with_events(self, wanted: Wanted, clock: Clock, parallel: int | None = None) -> float:
        """Like `up`, and return the seconds of the node part.

        Raises:
            LabError: it failed; the message holds its output.
        """
        log = EventLog(self._folder / "events")
        with log.reading() as arguments:
            # The CLI accepts --event-log only with this variable.
            self._run(wanted, clock, {"PULUMI_DEBUG_COMMANDS": "true"}, [*arguments, *_parallel(parallel)])
        return log.node_part()

    def _run(self, wanted: Wanted, clock: Clock, environment: Mapping[str, str], more: Sequence[str]) -> None:
        settings = self._folder / "settings.json"
        settings.write_text(wanted.text())
        own = {"PYTHONPATH": str(PROJECT), "K3S_REGISTRY_BENCH": str(settings), **environment}
        arguments = ["up", "--yes", "--skip-preview", "--stack", STACK, "--non-interactive", "--color", "never", *more]
        with clock.running():
            done = self._engine.run(
                arguments, self._project, netns=self._netns, extra_env=own, capture=True, timeout=UP_SECONDS
            )
        if done.returncode:
            message = f"pulumi up of the bench's stack failed:\n{done.stdout[-3000:]}{done.stderr[-1000:]}"
            raise LabError(message)

    def reports(self) -> list[dict[str, Any]]:
        """The output of each command in the state."""
        document = json.loads(self._state().read_text())
        resources = document["checkpoint"]["latest"]["resources"]
        return [json.loads(r["outputs"]["stdout"]) for r in resources if r["type"].endswith("command:remote:Command")]

    def state_bytes(self) -> int:
        """The size of the state's file."""
        return self._state().stat().st_size

    def json_bytes(self) -> int:
        """The size of the state as JSON without spaces, whatever the form of its file.

        Raises:
            LabError: the CLI failed; the message holds its output.
        """
        done = self._engine.run(["stack", "export", "--stack", STACK], self._project, capture=True)
        if done.returncode:
            message = f"the bench's state cannot be exported: {done.stderr[-1000:]}"
            raise LabError(message)
        return len(json.dumps(json.loads(done.stdout)["deployment"], separators=(",", ":")))

    def _state(self) -> Path:
        plain = self._engine.backend / ".pulumi" / "stacks" / "bench" / f"{STACK}.json"
        return next(path for path in (plain, *map(Path, (f"{plain}.gz", f"{plain}.zst"))) if path.exists())


def _parallel(number: int | None) -> list[str]:
    return [] if number is None else ["--parallel", str(number)]
