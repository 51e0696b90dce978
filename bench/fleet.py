"""The bench of large fleets: `up` of hundreds of pretend nodes, compared with the same graph with tiny payloads."""

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
from typing import Final

from bench import fixtures, pretend_nodes
from bench.measurement import Clock
from bench.node_stack import Address, NodeStack, Wanted
from bench.processes import Use, watching
from lab.engine import Engine
from lab.progress import say
from lab.settings import PROJECT

COUNTS: Final = (100, 300)
REFERENCE: Final = 300
"""The number of nodes that the last line is about, if it was measured."""
ROUNDS: Final = 1
FIRST, NONE, CHANGE, AUDIT = "first", "none", "change", "audit"
FULL, EMPTY = "full", "empty"
RECOMMENDED: Final = "PULUMI_DIY_BACKEND_ZSTD"
DEFAULT: Final = "default"
SETTINGS: Final = (DEFAULT, "PULUMI_DIY_BACKEND_GZIP", RECOMMENDED, "PULUMI_SKIP_CHECKPOINTS")
"""Environment variables of the CLI that change how often, and how much of, the state is written."""
PARALLEL: Final = (8, 32, 64)
MOST_COMPARED: Final = 300
"""Settings and parallelism are compared up to this number of nodes: with more, a single `up` takes very long."""
ANSWER_SECONDS: Final = 2.0
"""How long a pretend node takes to answer where parallelism is compared: about as long as a real one."""


@contextlib.contextmanager
def nodes(count: int, seconds: float = 0.0) -> Iterator[list[Address]]:
    """Run `count` pretend nodes, which answer after `seconds`, while the block runs."""
    command = [sys.executable, "-m", "bench.pretend_nodes", str(count), str(seconds)]
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


@dataclass(frozen=True, kw_only=True)
class Up:
    """The figures of one whole `up`."""

    wall: float
    cpu: float
    """Processor seconds of engine, program, plugin and all else that the run started, without the pretend nodes."""
    roles: Mapping[str, Use]
    load: float
    """This computer's load average (one minute) at the end."""


@dataclass
class Fleet:
    """One number of nodes: the `up`s of both payloads in every case, and what they are compared with."""

    stack: NodeStack
    nodes: Sequence[Address]
    plugin: str
    """Where the command plugin comes from."""
    setting: str
    """The one of `SETTINGS` under which the cases and `--parallel` are measured."""
    ups: dict[tuple[str, str], list[Up]] = field(default_factory=dict)
    """By payload and case."""
    state: dict[str, tuple[float, float]] = field(default_factory=dict)
    """By payload: bytes of state per node, as JSON and as they are written."""
    settings: dict[str, tuple[Up, float]] = field(default_factory=dict)
    """By setting of the CLI: a first `up`, and the bytes per node that are written."""
    parallel: dict[int, Up] = field(default_factory=dict)
    """By `--parallel`: a first `up` of nodes that take some time to answer."""

    def __post_init__(self) -> None:
        first, second = fixtures.authorities()
        self._before = first.certificate.decode()
        self._after = self._before + second.certificate.decode()

    def measure(self, rounds: int) -> None:
        """Measure the cases with both payloads; the payload that goes first alternates between rounds.

        Raises:
            LabError: an `up` failed; the message holds its output.
        """
        for turn in range(rounds):
            for payload in (EMPTY, FULL) if turn % 2 == 0 else (FULL, EMPTY):
                self.stack.forget()
                for case, bundle, audit in (
                    (FIRST, self._before, ""),
                    (NONE, self._before, ""),
                    (CHANGE, self._after, ""),
                    (AUDIT, self._after, "again"),
                ):
                    wanted = Wanted(nodes=self.nodes, bundle=bundle, audit=audit, proof=True, empty=payload == EMPTY)
                    done = self._up(wanted, f"round {turn + 1}, {payload}, {case}")
                    self.ups.setdefault((payload, case), []).append(done)
                self.state[payload] = self._per_node(self.stack.json_bytes()), self._per_node(self.stack.state_bytes())

    def compare_settings(self) -> None:
        """How long a first `up` of the full payload takes with each setting of the CLI."""
        for name in SETTINGS:
            self.stack.forget()
            done = self._up(self._first(self.nodes), name, setting=name)
            self.settings[name] = done, self._per_node(self.stack.state_bytes())

    def compare_parallel(self) -> None:
        """How long a first `up` takes with each `--parallel`, of nodes that take some time to answer."""
        with nodes(len(self.nodes), ANSWER_SECONDS) as slow:
            for number in PARALLEL:
                self.stack.forget()
                self.parallel[number] = self._up(self._first(slow), f"--parallel {number}", parallel=number)

    def _first(self, addresses: Sequence[Address]) -> Wanted:
        return Wanted(nodes=addresses, bundle=self._before, proof=True)

    def _up(
        self,
        wanted: Wanted,
        name: str,
        *,
        setting: str | None = None,
        parallel: int | None = None,
    ) -> Up:
        clock = Clock()
        chosen = {} if (setting or self.setting) == DEFAULT else {setting or self.setting: "true"}
        with watching() as watch:
            self.stack.up(wanted, clock, environment=chosen, parallel=parallel)
        done = Up(wall=clock.wall, cpu=clock.cpu, roles=watch.roles(), load=os.getloadavg()[0])
        shares = ", ".join(f"{role} {use.cpu:.1f}" for role, use in sorted(done.roles.items()))
        took = f"{done.wall:.1f} s, CPU-s {done.cpu:.1f} ({shares})"
        say(f"  {len(self.nodes)} nodes, {name}: {took}, load {done.load:.1f}")
        return done

    def _per_node(self, size: int) -> float:
        return size / len(self.nodes)

    def wall(self, payload: str, case: str) -> float:
        """The median of wall seconds."""
        return median(up.wall for up in self.ups[payload, case])

    def cpu(self, payload: str, case: str) -> float:
        """The median of processor seconds."""
        return median(up.cpu for up in self.ups[payload, case])

    def cpu_of(self, role: str, case: str) -> float:
        """The median of one role's processor seconds, with the full payload."""
        return median(up.roles.get(role, Use()).cpu for up in self.ups[FULL, case])

    def use(self, role: str) -> Use:
        """The most that one process of a role used in any `up` of the full payload."""
        greatest = Use()
        for (payload, _), ups in self.ups.items():
            for up in ups if payload == FULL else ():
                greatest = greatest.largest(up.roles.get(role, Use()))
        return greatest


def run(
    counts: Sequence[int] = COUNTS, *, rounds: int = ROUNDS, compare: bool = True, setting: str = RECOMMENDED
) -> list[Fleet]:
    """Measure each number of nodes, from the smallest to the greatest.

    Args:
        counts: the numbers of nodes.
        rounds: how often each case is measured.
        compare: whether the settings of the CLI and its parallelism are compared too.
        setting: the one of `SETTINGS` under which all else is measured.

    Raises:
        LabError: an `up` failed; the message holds its output.
    """
    fleets = []
    for count in sorted(counts):
        with tempfile.TemporaryDirectory(prefix="fleet-") as folder, nodes(count) as addresses:
            engine = Engine.at(Path(folder))
            origin = engine.install_plugins()["command"]
            say(f"{count} pretend nodes, two commands each; command plugin: {origin}")
            fleet = Fleet(NodeStack(engine, Path(folder)), addresses, origin, setting)
            fleet.measure(rounds)
            if compare and count <= MOST_COMPARED:
                fleet.compare_settings()
                fleet.compare_parallel()
        fleets.append(fleet)
    return fleets
