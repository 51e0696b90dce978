"""A client on every node that pulls one image repeatedly during a test."""

import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from lab.machines import Machine

PAUSE_SECONDS = 0.5


@dataclass
class Pulling:
    """Pulls `image` by digest with each machine's containerd, removing it after each pull, inside a `with` block."""

    machines: Sequence[Machine]
    image: str
    pulls: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    """The node, the seconds since the start, and the output of each failed pull."""

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._begin = time.monotonic()
        self._threads = [threading.Thread(target=self._pull, args=(machine,)) for machine in self.machines]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _pull(self, machine: Machine) -> None:
        self.pulls[machine.name] = 0
        while not self._stop.wait(PAUSE_SECONDS):
            started = time.monotonic() - self._begin
            try:
                done = machine.run(machine.kind.k3s("crictl", "pull", self.image), check=False, timeout=60)
            except subprocess.TimeoutExpired:
                self.failures.append(f"{machine.name} at {started:.1f} s: no end within 60 s")
                continue
            self.pulls[machine.name] += 1
            if done.returncode:
                self.failures.append(f"{machine.name} at {started:.1f} s: {done.stdout}{done.stderr}")
            # With the image present, the next pull would only request its manifest.
            machine.run(machine.kind.k3s("crictl", "rmi", self.image), check=False)
