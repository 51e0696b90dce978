"""Clients that push and pull while the registry's pod is deleted, rolled, and given a renewed certificate."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.deployed import DeployedRegistry
from lab import toolchain
from lab.progress import step
from lab.settings import Lab, LabError

CLIENTS = 50
SECONDS = 120
REST_SECONDS = 2.0
"""Without a rest, the clients use all processors of a small computer, which they share with the registry here. A
request then waits for a processor and not for the registry, and what is measured at the end of a pod is that queue.
"""
REPOSITORIES = "load"
_VERIFY_SECONDS = 600


@dataclass(frozen=True, kw_only=True)
class Event:
    """What happens to the registry during the load."""

    name: str
    at: float
    """The share of the time that is over when it begins."""
    act: Callable[[DeployedRegistry], None]


EVENTS = (
    Event(name="the pod is deleted", at=1 / 6, act=DeployedRegistry.delete_pod),
    Event(name="the pod is deleted again", at=5 / 12, act=DeployedRegistry.delete_pod),
    Event(name="the Deployment is rolled", at=3 / 5, act=DeployedRegistry.restart),
    Event(name="the certificate is renewed", at=3 / 4, act=DeployedRegistry.renew_certificate),
)


@dataclass(frozen=True, kw_only=True)
class Load:
    """One run: what the clients saw, and what happened meanwhile."""

    seen: dict[str, Any]
    """The report of the clients (lab/tools/load)."""
    events: Sequence[str]
    averages: tuple[float, float]
    """This computer's load average (one minute) before and after."""

    @property
    def is_good(self) -> bool:
        """Whether the registry kept every image that it had accepted, unchanged."""
        return self.seen["pushed"] > 0 and not self.seen["lost"] and not self.seen["mismatched"]

    def report(self) -> Iterator[str]:
        """The circumstances, the failed requests by cause, and the line of figures."""
        seen = self.seen
        yield f"events: {'; '.join(self.events) or 'none'}"
        yield (
            f"images pushed {seen['pushed']}, pulls {seen['pulled']}, operations repeated {seen['repeated']}, "
            f"{seen['bytesUp'] / 1e9:.2f} GB up, {seen['bytesDown'] / 1e9:.2f} GB down, slowest request "
            f"{seen['slowest']:.1f} s; load of this computer {self.averages[0]:.1f} to {self.averages[1]:.1f}"
        )
        groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for one in seen["failures"] or []:
            groups.setdefault(("HTTP/2" if one["http2"] else "HTTP/1.1", one["cause"]), []).append(one)
        for (protocol, cause), ones in groups.items():
            yield (
                f"failed {len(ones)} times, from {ones[0]['second']:.1f} s to {ones[-1]['second']:.1f} s, {protocol}: "
                f"{cause} (first: {ones[0]['request']})"
            )
        names = ("requests", "failed", "lost", "mismatched")
        yield "load " + " ".join(f"{name}={seen[name]}" for name in names)


def run(
    lab: Lab,
    *,
    seconds: int = SECONDS,
    clients: int = CLIENTS,
    rest: float = REST_SECONDS,
    events: Sequence[Event] = EVENTS,
) -> Load:
    """Let the clients work, with the events at their times, then pull every image that was accepted.

    Args:
        lab: a lab that `make up` deployed.
        seconds: how long the clients work.
        clients: how many of them.
        rest: how many seconds each rests at most between an operation and the next.
        events: what happens to the registry.

    Raises:
        LabError: the lab is not up, an event failed, or the clients did not report.
    """
    target = DeployedRegistry.of(lab)
    program = toolchain.ensure(["load"])["load"]
    before, started = os.getloadavg()[0], time.monotonic()
    happened: list[str] = []
    with target.authority() as authority:
        arguments = [
            *("-url", target.registry.url, "-address", target.endpoint, "-authority", str(authority)),
            *("-rest", f"{rest}s"),
            *("-repository", REPOSITORIES, "-clients", str(clients), "-duration", f"{seconds}s"),
        ]
        with (
            step(f"{clients} clients push and pull for {seconds} s, then every image is verified"),
            subprocess.Popen(
                lab.in_lan(str(program), *arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            ) as process,
        ):
            # Read at once, so that a full pipe stops nobody.
            said: list[tuple[str, str]] = []
            reader = threading.Thread(target=lambda: said.append(process.communicate()))
            reader.start()
            try:
                for event in events:
                    _wait_until(started + event.at * seconds, process)
                    begun = time.monotonic() - started
                    with step(event.name):
                        event.act(target)
                    happened.append(f"{event.name} at {begun:.0f} s, over at {time.monotonic() - started:.0f} s")
                reader.join(seconds + _VERIFY_SECONDS)
            finally:
                process.terminate()
                reader.join()
    if process.returncode:
        message = f"the load's clients ended with {process.returncode}: {said[0][1].strip()[-500:]}"
        raise LabError(message)
    done = Load(seen=json.loads(said[0][0]), events=happened, averages=(before, os.getloadavg()[0]))
    target.empty(REPOSITORIES)
    return done


def _wait_until(moment: float, process: subprocess.Popen[str]) -> None:
    while time.monotonic() < moment and process.poll() is None:
        time.sleep(0.1)
