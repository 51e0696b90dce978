"""Measured runs, their medians and ratios."""

import contextlib
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The figures of one run; times are in seconds."""

    wall: float
    node_part: float
    """Time from the first node's start to the last node's end; the wall time where a method does nothing else."""
    controller_cpu: float
    """Processor time of all processes that the run started on this computer outside the machines."""
    nodes_cpu: float
    """Processor time of all machines together."""
    connections: int
    """The greatest number of SSH connections that a node accepted."""


def medians(runs: Sequence[Measurement]) -> Measurement:
    """Each figure's median over the runs; for connections the maximum."""
    return Measurement(
        wall=median(run.wall for run in runs),
        node_part=median(run.node_part for run in runs),
        controller_cpu=median(run.controller_cpu for run in runs),
        nodes_cpu=median(run.nodes_cpu for run in runs),
        connections=max(run.connections for run in runs),
    )


class Clock:
    """The wall and processor time of the block of `running`."""

    wall = 0.0
    cpu = 0.0

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Measure the block; the processor time is that of its child processes that have ended."""
        started, before = time.monotonic(), _children()
        yield
        self.wall, self.cpu = time.monotonic() - started, _children() - before


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def too_busy(load: float, cores: int) -> str | None:
    """Why the wall times of a bench that begins at this load average are not to be believed; None if they are.

    Half the cores: a bench that finds fewer of them idle waits for other work as well as for its own.
    """
    limit = cores / 2
    if load <= limit:
        return None
    return (
        f"this computer is too busy: the load before the start was {load:.1f}, and at most {limit:.1f}, half its "
        f"{cores} cores, leaves the bench a core to itself; do not believe the wall times, believe the processor "
        "times, or run the bench again when nothing else runs"
    )


Runs = dict[tuple[int, str, str], list[Measurement]]
"""The runs by number of nodes, method and case."""


def table(runs: Runs) -> Iterator[str]:
    """The medians, as lines of a Markdown table."""
    yield "| nodes | case | method | wall s (range) | node part s | CPU-s controller | nodes | connections |"
    yield "|---|---|---|---|---|---|---|---|"
    for (count, method, case), measured in sorted(runs.items(), key=lambda item: (item[0][0], item[0][2], item[0][1])):
        middle = medians(measured)
        least, greatest = min(run.wall for run in measured), max(run.wall for run in measured)
        yield (
            f"| {count} | {case} | {method} | {middle.wall:.2f} ({least:.2f} to {greatest:.2f}) "
            f"| {middle.node_part:.2f} | {middle.controller_cpu:.2f} | {middle.nodes_cpu:.2f} | {middle.connections} |"
        )


def ratio(above: Callable[[], float], below: Callable[[], float]) -> str:
    """A quotient for the last line; `-` where one of the two was not measured."""
    try:
        return f"{above() / below():.2f}"
    except KeyError:
        return "-"
