"""The bench of a large fleet: `up` of hundreds of pretend nodes, compared with the same graph with tiny payloads."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench import fixtures, pretend_nodes
from bench.measurement import Clock
from bench.node_stack import Address, NodeStack, Wanted
from lab.engine import Engine
from lab.progress import say
from lab.settings import PROJECT

NODES = 300
ROUNDS = 3
FIRST, NONE, CHANGE = "first", "none", "change"
FULL, EMPTY = "full", "empty"
SETTINGS: Mapping[str, Mapping[str, str]] = {
    "default": {},
    "PULUMI_DIY_BACKEND_GZIP": {"PULUMI_DIY_BACKEND_GZIP": "true"},
    "PULUMI_DIY_BACKEND_ZSTD": {"PULUMI_DIY_BACKEND_ZSTD": "true"},
    "PULUMI_SKIP_CHECKPOINTS": {"PULUMI_SKIP_CHECKPOINTS": "true"},
}
"""Environment variables of the CLI that change how often, and how much of, the state is written."""


@contextlib.contextmanager
def nodes(count: int) -> Iterator[list[Address]]:
    """Run `count` pretend nodes while the block runs."""
    command = [sys.executable, "-m", "bench.pretend_nodes", str(count)]
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout  # noqa: S101  # given above
        ready = json.loads(process.stdout.readline())
        yield [
            Address(
                name=f"node{index:03d}",
                host=pretend_nodes.address(index),
                port=ready["port"],
                host_key=ready["hostKey"],
            )
            for index in range(count)
        ]
        process.communicate()


@dataclass
class Fleet:
    """One run of the bench: wall and processor seconds of whole `up`s, and bytes of state per node."""

    stack: NodeStack
    nodes: Sequence[Address]
    walls: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    cpus: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    """Processor seconds of engine, program and plugin, without the pretend nodes."""
    state_bytes: dict[str, float] = field(default_factory=dict)
    settings: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    """For each setting of the CLI: wall and processor seconds of a first `up`, and bytes of state per node."""
    loads: list[float] = field(default_factory=list)
    """This computer's load average (one minute) at the end of each `up`."""
    facts: str = ""

    def __post_init__(self) -> None:
        first, second = fixtures.authorities()
        self._first, self._second = first.certificate.decode(), second.certificate.decode()

    def measure(self, rounds: int) -> None:
        """Measure the three cases with both payloads; the payload that goes first alternates between rounds.

        Raises:
            LabError: an `up` failed; the message holds its output.
        """
        for turn in range(rounds):
            for payload in (EMPTY, FULL) if turn % 2 == 0 else (FULL, EMPTY):
                self.stack.forget()
                for case, bundle in ((FIRST, self._first), (NONE, self._first), (CHANGE, self._second)):
                    wall, cpu = self._up(bundle, empty=payload == EMPTY)
                    self.walls.setdefault((payload, case), []).append(wall)
                    self.cpus.setdefault((payload, case), []).append(cpu)
                    load = f"load {self.loads[-1]:.1f}"
                    say(f"  round {turn + 1}, {payload}, {case}: {wall:.1f} s, CPU-s {cpu:.1f}, {load}")
                self.state_bytes[payload] = self.stack.state_bytes() / len(self.nodes)

    def compare_settings(self) -> None:
        """How long a first `up` of the full payload takes with each setting of the CLI."""
        for name, environment in SETTINGS.items():
            self.stack.forget()
            wall, cpu = self._up(self._first, empty=False, environment=environment)
            self.settings[name] = wall, cpu, self.stack.state_bytes() / len(self.nodes)
            say(f"  {name}: first up {wall:.1f} s, CPU-s {cpu:.1f}, load {self.loads[-1]:.1f}")

    def _up(self, bundle: str, *, empty: bool, environment: Mapping[str, str] | None = None) -> tuple[float, float]:
        clock = Clock()
        self.stack.up(Wanted(nodes=self.nodes, bundle=bundle, proof=True, empty=empty), clock, environment)
        self.loads.append(os.getloadavg()[0])
        return clock.wall, clock.cpu

    def report(self) -> Iterator[str]:
        """The circumstances, the medians, and the effect of the CLI's settings."""
        yield f"{self.facts}; load {min(self.loads):.1f} to {max(self.loads):.1f}"
        yield "| case | full s | empty s | ratio | full CPU-s | empty CPU-s | ratio |"
        yield "|---|---|---|---|---|---|---|"
        for case in (FIRST, NONE, CHANGE):
            cells = [case]
            for figures in (self.walls, self.cpus):
                full, empty = (median(figures[payload, case]) for payload in (FULL, EMPTY))
                cells += [f"{full:.1f}", f"{empty:.1f}", f"{full / empty:.2f}"]
            yield f"| {' | '.join(cells)} |"
        sizes = ", ".join(f"{payload} {size:.0f}" for payload, size in self.state_bytes.items())
        yield f"bytes of state per node: {sizes}"
        if self.settings:
            yield "| setting of the CLI | first up, full, s | CPU-s | bytes of state per node |"
            yield "|---|---|---|---|"
            for name, (wall, cpu, size) in self.settings.items():
                yield f"| {name} | {wall:.1f} | {cpu:.1f} | {size:.0f} |"

    def ratios(self) -> str:
        """The last line."""
        parts = [
            f"{case}={median(self.walls[FULL, case]) / median(self.walls[EMPTY, case]):.2f}"
            for case in (FIRST, NONE, CHANGE)
        ]
        return " ".join(["fleet", *parts])


def run(*, count: int = NODES, rounds: int = ROUNDS, settings: bool = True) -> Fleet:
    """Start the pretend nodes and measure.

    Raises:
        LabError: an `up` failed; the message holds its output.
    """
    with tempfile.TemporaryDirectory(prefix="fleet-") as folder, nodes(count) as addresses:
        engine = Engine.at(Path(folder))
        origin = engine.install_plugins()["command"]
        fleet = Fleet(NodeStack(engine, Path(folder)), addresses)
        fleet.facts = f"{count} pretend nodes, two commands each; command plugin: {origin}"
        say(fleet.facts)
        fleet.measure(rounds)
        if settings:
            fleet.compare_settings()
    return fleet
