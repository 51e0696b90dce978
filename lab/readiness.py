"""Whether a lab is ready for work, and the wait until it is."""

import time

from lab import ssh_agent
from lab.api import ANY_AGE, Api, Fresh
from lab.k3s_unit import unit_state
from lab.machines import Machine
from lab.progress import step
from lab.settings import Lab, LabError
from lab.shape import Shape

READY_SECONDS = 180.0
POLL_SECONDS = 0.2
WORKLOADS = {"metallb-system/controller", "metallb-system/speaker", "kube-system/local-path-provisioner"}
COREDNS_WORKLOAD = "kube-system/coredns"
POOL = "/apis/metallb.io/v1beta1/namespaces/metallb-system/ipaddresspools/lan"


def is_ready(lab: Lab, wanted: list[Machine], shape: Shape) -> bool:
    """Whether all `wanted` machines run and, unless the lab is bare, their cluster is ready for work."""
    if not ssh_agent.is_running(lab) or not all(machine.is_running() for machine in wanted):
        return False
    return shape.bare or not _missing(Api(lab), wanted, shape)


def _missing(api: Api, wanted: list[Machine], shape: Shape, fresh: Fresh = ANY_AGE) -> list[str]:
    """What the cluster still lacks."""
    states = api.node_states(fresh)
    nodes = [f"node {m.name} {states.get(m.name, 'unknown')}" for m in wanted if states.get(m.name) != "Ready"]
    if nodes:
        return nodes
    expected = WORKLOADS | ({COREDNS_WORKLOAD} if shape.coredns else set())
    absent = sorted(expected - api.workloads())
    unready = [text for text in api.unready() if text.split()[0] in expected]
    pool = [] if api.has(POOL) else ["MetalLB's address pool"]
    addons = {name.partition("/")[0] for name in expected}
    old = [pod for pod in api.not_restarted(fresh) if pod.partition("/")[0] in addons]
    return [*absent, *unready, *old, *pool]


def wait_for(
    what: str, api: Api, wanted: list[Machine], shape: Shape, fresh: Fresh, *, nodes_only: bool = False
) -> None:
    """Wait until the lab's cluster, or with `nodes_only` each of its nodes, is ready.

    Raises:
        LabError: it is not within `READY_SECONDS`; the message names the parts that are not ready, and the last error
            of each K3s that is to blame.
    """
    deadline = time.monotonic() + READY_SECONDS
    with step(what):
        while True:
            missing = _missing(api, wanted, shape, fresh)
            if not missing or (nodes_only and not missing[0].startswith("node ")):
                return
            if time.monotonic() > deadline:
                message = _last_words(api.lab, wanted, missing)
                raise LabError(message)
            time.sleep(POLL_SECONDS)


def _last_words(lab: Lab, wanted: list[Machine], missing: list[str]) -> str:
    """The parts that are not ready, the units that keep them from it, and a command that shows more."""
    names = {text.split()[1] for text in missing if text.startswith("node ")}
    suspects = [machine for machine in wanted if machine.name in names] or wanted
    states = [unit_state(machine) for machine in suspects]
    said = [str(state) for state in states if names or state.restarts]
    look = lab.call("enter", suspects[0].name, "journalctl", "-u", repr("k3s*"), "-n", "50")
    return "\n  ".join([f"not ready after {READY_SECONDS:.0f} s: {', '.join(missing)}", *said, f"look with: {look}"])
