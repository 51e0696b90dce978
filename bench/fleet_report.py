"""The tables of the bench of large fleets."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from bench.fleet import AUDIT, CHANGE, EMPTY, FIRST, FULL, NONE, REFERENCE, Fleet
from bench.processes import ENGINE, PLUGIN, PROGRAM

CASES: Final = (FIRST, NONE, CHANGE, AUDIT)
Figure = Callable[[Fleet, str, str], float]


def report(fleets: Sequence[Fleet]) -> Iterator[str]:
    """The medians, how the cost grows, and the effect of the CLI's settings and of its parallelism."""
    loads = [up.load for fleet in fleets for ups in fleet.ups.values() for up in ups]
    plugin, setting = fleets[0].plugin, fleets[0].setting
    yield f"two commands per node; {setting}; command plugin: {plugin}; load {min(loads):.1f} to {max(loads):.1f}"
    yield from _cases(fleets)
    yield from _processes(fleets)
    yield from _settings(fleets)
    yield from _parallel(fleets)
    reference = _reference(fleets)
    yield f"processor time, {len(reference.nodes)} nodes: {_ratios(reference, Fleet.cpu, CASES)}"
    yield f"audit, {len(reference.nodes)} nodes: {_ratios(reference, Fleet.wall, [AUDIT])}"


def last_line(fleets: Sequence[Fleet]) -> str:
    """The ratios of wall time."""
    return f"fleet {_ratios(_reference(fleets), Fleet.wall, [FIRST, NONE, CHANGE])}"


def _reference(fleets: Sequence[Fleet]) -> Fleet:
    return next((fleet for fleet in fleets if len(fleet.nodes) == REFERENCE), fleets[-1])


def _ratios(fleet: Fleet, figure: Figure, cases: Sequence[str]) -> str:
    return " ".join(f"{case}={figure(fleet, FULL, case) / figure(fleet, EMPTY, case):.2f}" for case in cases)


def _cases(fleets: Sequence[Fleet]) -> Iterator[str]:
    yield "| nodes | case | full s | empty s | ratio | full CPU-s | empty CPU-s | ratio | CPU-s per node | growth |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for fleet in fleets:
        for case in CASES:
            cells = [str(len(fleet.nodes)), case]
            for figure in (Fleet.wall, Fleet.cpu):
                full, empty = (figure(fleet, payload, case) for payload in (FULL, EMPTY))
                cells += [f"{full:.1f}", f"{empty:.1f}", f"{full / empty:.2f}"]
            each, least = (one.cpu(FULL, case) / len(one.nodes) for one in (fleet, fleets[0]))
            cells += [f"{each:.3f}", f"{each / least:.2f}"]
            yield _row(cells)
    yield "| nodes | payload | bytes of state per node | as written |"
    yield "|---|---|---|---|"
    for fleet in fleets:
        for payload, (plain, written) in fleet.state.items():
            yield _row([str(len(fleet.nodes)), payload, f"{plain:.0f}", f"{written:.0f}"])


def _processes(fleets: Sequence[Fleet]) -> Iterator[str]:
    yield "| nodes | process | most memory, MB | most open files | first: CPU-s | change: CPU-s |"
    yield "|---|---|---|---|---|---|"
    for fleet in fleets:
        for role in (ENGINE, PROGRAM, PLUGIN):
            most = fleet.use(role)
            shares = [fleet.cpu_of(role, case) for case in (FIRST, CHANGE)]
            cells = [f"{most.megabytes:.0f}", f"{most.files}", *(f"{share:.1f}" for share in shares)]
            yield _row([str(len(fleet.nodes)), role, *cells])


def _settings(fleets: Sequence[Fleet]) -> Iterator[str]:
    if any(fleet.settings for fleet in fleets):
        yield "| nodes | setting of the CLI | first up, full, s | CPU-s | bytes written per node |"
        yield "|---|---|---|---|---|"
    for fleet in fleets:
        for name, (up, size) in fleet.settings.items():
            yield _row([str(len(fleet.nodes)), name, f"{up.wall:.1f}", f"{up.cpu:.1f}", f"{size:.0f}"])


def _parallel(fleets: Sequence[Fleet]) -> Iterator[str]:
    if any(fleet.parallel for fleet in fleets):
        yield "| nodes | --parallel | first up of nodes that take a while, s | CPU-s |"
        yield "|---|---|---|---|"
    for fleet in fleets:
        for number, up in fleet.parallel.items():
            yield _row([str(len(fleet.nodes)), str(number), f"{up.wall:.1f}", f"{up.cpu:.1f}"])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
