"""The bench of `pulumi up`'s node part, compared with one SSH exec and with the guide, on 1, 4 and 16 machines."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import ansible_guide, fixtures, ssh_exec
from bench.measurement import Clock, Measurement, Runs, medians, ratio, table
from bench.node_stack import NodeStack, Wanted
from bench.site import Site
from lab.engine import Engine
from lab.machines import Machine
from lab.progress import say
from lab.settings import Lab, LabError

SIZES = (1, 4, 16)
ROUNDS = 3
WIDE = 32
WIDE_FROM = 16
"""The number of machines from which on `--parallel` is tried: below it, the CLI's own parallelism is enough for all."""
FLOOR, UP, UP_WIDE, GUIDE = "one ssh exec", "pulumi up", f"pulumi up --parallel {WIDE}", "guide"
FIRST, NONE, AUDIT, CHANGE = "1 first apply", "2 no change", "3 audit", "4 CA change"
MOST_CONNECTIONS = 2


@dataclass
class NodeBench:
    """One run of the bench on the machines of a lab, which it restores at the end."""

    site: Site
    engine: Engine
    with_guide: bool
    runs: Runs = field(default_factory=dict)
    loads: list[float] = field(default_factory=list)
    """This computer's load average (one minute) at the start of each round."""
    facts: str = ""

    def __post_init__(self) -> None:
        first, second = fixtures.authorities()
        self._pair, self._first, self._second = first, first.certificate.decode(), second.certificate.decode()
        self._stack = NodeStack(self.engine, self.site.lab.state, self.site.lab.lan_namespace_path)

    def measure(self, count: int, rounds: int) -> None:
        """Measure all cases of all methods on `count` machines; the method that goes first rotates between rounds.

        Raises:
            LabError: a run failed, or did not do what its case requires.
        """
        machines = self.site.machines(count)
        with ansible_guide.working_folder() as folder:
            ansible = ansible_guide.Guide(self.site, machines, self._pair, Path(folder)) if self.with_guide else None
            methods: list[Callable[[], None]] = [lambda: self._floor(machines), lambda: self._up(machines, UP)]
            if count >= WIDE_FROM:
                methods.append(lambda: self._up(machines, UP_WIDE))
            if ansible:
                ansible.keep()
                chosen = ansible
                methods.append(lambda: self._guide(machines, chosen))
            for turn in range(rounds):
                self.loads.append(os.getloadavg()[0])
                say(f"{count} machines, round {turn + 1} of {rounds}, load {self.loads[-1]:.1f}")
                first = turn % len(methods)
                for method in (*methods[first:], *methods[:first]):
                    method()

    def _floor(self, machines: Sequence[Machine]) -> None:
        def run(bundle: str, audit: str, *, changed: bool) -> Callable[[Clock], float | None]:
            def body(clock: Clock) -> None:
                _expect(
                    ssh_exec.run(self.site, machines, clock, verb="apply", bundle=bundle, audit=audit), changed=changed
                )

            return body

        self._measure(machines, FLOOR, FIRST, run(self._first, "", changed=True))
        self._measure(machines, FLOOR, NONE, run(self._first, "", changed=False))
        self._measure(machines, FLOOR, AUDIT, run(self._first, "again", changed=False))
        self._measure(machines, FLOOR, CHANGE, run(self._second, "again", changed=True))
        self._remove(machines)

    def _up(self, machines: Sequence[Machine], method: str) -> None:
        nodes, parallel = self.site.addresses(len(machines)), WIDE if method == UP_WIDE else None

        def run(bundle: str, audit: str, *, changed: bool) -> Callable[[Clock], float | None]:
            def body(clock: Clock) -> float:
                part = self._stack.up_with_events(Wanted(nodes=nodes, bundle=bundle, audit=audit), clock, parallel)
                _expect(self._stack.reports(), changed=changed)
                return part

            return body

        self._stack.forget()
        self._measure(machines, method, FIRST, run(self._first, "", changed=True))
        # Nothing runs in this case, so the state still holds the report of the first run.
        self._measure(machines, method, NONE, run(self._first, "", changed=True))
        self._measure(machines, method, AUDIT, run(self._first, "again", changed=False))
        self._measure(machines, method, CHANGE, run(self._second, "again", changed=True))
        self._remove(machines)

    def _guide(self, machines: Sequence[Machine], ansible: ansible_guide.Guide) -> None:
        self._measure(machines, GUIDE, FIRST, ansible.run)
        self._measure(machines, GUIDE, NONE, ansible.run)
        ansible.undo()

    def _remove(self, machines: Sequence[Machine]) -> None:
        _expect(
            ssh_exec.run(self.site, machines, Clock(), verb="remove", bundle=self._second, audit="again"), changed=True
        )

    def _measure(
        self, machines: Sequence[Machine], method: str, case: str, body: Callable[[Clock], float | None]
    ) -> None:
        clock = Clock()
        connections, cpu = self.site.accepted(machines), self.site.cpu(machines)
        part = body(clock)
        # sshd's children end only after the client has received its answer.
        time.sleep(0.2)
        used = self.site.cpu(machines) - cpu
        more = max(after - before for before, after in zip(connections, self.site.accepted(machines), strict=True))
        made = Measurement(
            wall=clock.wall,
            node_part=clock.wall if part is None else part,
            controller_cpu=clock.cpu,
            nodes_cpu=used,
            connections=more,
        )
        self.runs.setdefault((len(machines), method, case), []).append(made)
        say(
            f"  {case}, {method}: {made.wall:.2f} s, node part {made.node_part:.2f} s, CPU-s controller "
            f"{made.controller_cpu:.2f}, nodes {made.nodes_cpu:.2f}, connections {more}"
        )
        allowed = 0 if case == NONE else MOST_CONNECTIONS
        if method in (UP, UP_WIDE) and more > allowed:
            message = f"{case}: a node accepted {more} connections; the limit is {allowed}"
            raise LabError(message)

    def report(self) -> Iterator[str]:
        """The circumstances, the medians of all cases, and the ratios for all but the greatest number of machines."""
        yield f"{self.facts}; load {min(self.loads):.1f} to {max(self.loads):.1f}"
        yield from table(self.runs)
        counts = sorted({count for count, _, _ in self.runs})
        for count in counts:
            yield f"with {count} machines, processor time: {self._against_floor(count, UP, self._visits_cpu)}"
            if count >= WIDE_FROM:
                yield f"with {count} machines, {UP_WIDE}: {self._against_floor(count, UP_WIDE, self._node_part)}"
        for count in counts[:-1]:
            yield f"with {count} machines: {self.ratios(count)}"

    def ratios(self, count: int) -> str:
        """The last line of the output: the ratios of medians on `count` machines."""

        def wall(method: str, case: str) -> Callable[[], float]:
            return lambda: medians(self.runs[count, method, case]).wall

        first = ratio(self._node_part(count, GUIDE, FIRST), self._node_part(count, UP, FIRST))
        # Without a change there is no node part, so the whole `up` is compared.
        rerun = ratio(wall(GUIDE, NONE), wall(UP, NONE))
        ours = self._against_floor(count, UP, self._node_part)
        return f"ratios {ours} guide_first={first} guide_rerun={rerun}"

    def _against_floor(self, count: int, method: str, figure: "_Figure") -> str:
        return " ".join(
            f"{name}={ratio(figure(count, method, case), figure(count, FLOOR, case))}"
            for name, case in (("apply", FIRST), ("change", CHANGE), ("audit", AUDIT))
        )

    def _node_part(self, count: int, method: str, case: str) -> Callable[[], float]:
        return lambda: medians(self.runs[count, method, case]).node_part

    def _visits_cpu(self, count: int, method: str, case: str) -> Callable[[], float]:
        """Processor seconds of the visits alone: an `up` without a change costs as much as its own start and end."""

        def seconds() -> float:
            done = medians(self.runs[count, method, case])
            idle = 0.0 if method == FLOOR else medians(self.runs[count, method, NONE]).controller_cpu
            return done.controller_cpu - idle + done.nodes_cpu

        return seconds


_Figure = Callable[[int, str, str], Callable[[], float]]


def _expect(reports: Sequence[Mapping[str, Any]], *, changed: bool) -> None:
    if any(report["changed"] is not changed for report in reports):
        message = f"the nodes reported {reports}; this case requires that they report changed = {changed}"
        raise LabError(message)


def run(*, lab: Lab, sizes: Sequence[int] = SIZES, rounds: int = ROUNDS, with_guide: bool = True) -> NodeBench:
    """Start the machines, measure, and remove the machines.

    Raises:
        LabError: a requirement is not met or a run failed; the message says which.
    """
    if with_guide and not ansible_guide.has_ansible():
        message = "ansible is missing: run bench/setup.sh, which installs it from PyPI"
        raise LabError(message)
    site = Site(lab)
    try:
        site.up(max(sizes), python=with_guide)
        engine = Engine.of(lab)
        origin = engine.install_plugins()["command"]
        bench = NodeBench(site, engine, with_guide)
        bench.facts = f"command plugin: {origin}; controller and machines share {os.cpu_count()} cores"
        say(bench.facts)
        for count in sizes:
            bench.measure(count, rounds)
    finally:
        site.down()
    return bench
