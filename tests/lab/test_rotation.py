"""A rotation of the authority under load: a client on every node pulls continuously, and the engine is interrupted."""

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.machines import Machine

from .deployed import Deployed
from .interrupting import up_cut_off
from .node_files import containing
from .pulling import Pulling

pytestmark = [pytest.mark.lab, pytest.mark.long]
LEAST_PULLS = 5


@dataclass(frozen=True)
class Step:
    """One `up` of a rotation, and the moment at which it is interrupted."""

    authorities: list[str]
    issuer: str
    moment: str

    def config(self, deployed: Deployed) -> Path:
        plan = {"authorities": self.authorities, "issuer": self.issuer}
        return deployed.program.configuration(lambda keys: keys["certificates"].update(plan))


def steps(old: str, new: str) -> list[Step]:
    return [
        Step([old, new], old, "cube01-trust updating"),
        Step([old, new], new, "registry-server-deployment updating"),
        Step([new], new, "cube01-trust updating"),
    ]


@pytest.fixture(scope="module", autouse=True)
def restored(deployed: Deployed) -> Iterator[None]:
    """Restore the committed stack at the end; it needs a new authority, since its generation is the first again."""
    yield
    deployed.program.run("destroy", "--yes", "--skip-preview")
    deployed.program.up()


def needle(pem: str) -> bytes:
    """A line that occurs in no other certificate."""
    return pem.splitlines()[-3].encode()


def holders(machines: dict[str, Machine], pem: str) -> dict[str, list[str]]:
    """The files on each node that contain the certificate."""
    return {name: containing(machine, [needle(pem)]) for name, machine in machines.items()}


@pytest.mark.parametrize(
    ("old", "new", "cut"),
    [("one", "two", None), ("two", "three", signal.SIGINT), ("three", "four", signal.SIGKILL)],
    ids=["undisturbed", "interrupted", "killed"],
)
def test_a_rotation_fails_no_pull_on_any_node_and_leaves_nothing_of_the_old_authority(
    deployed: Deployed, old: str, new: str, cut: signal.Signals | None
) -> None:
    program = deployed.program
    before, starts = program.outputs(), deployed.unit_starts()
    digest = before["nodes"]["control01"]["pulledDigest"]
    image = f"{before['registryEndpoint']}/k3s-registry/pull-proof@{digest}"
    held = holders(program.machines, before["caCertPem"])
    assert all(held.values()), "the search must be able to find the authority"
    for step in steps(old, new):
        with Pulling(list(program.machines.values()), image) as pulling:
            if cut is not None:
                up_cut_off(program, step.config(deployed), step.moment, cut)
            program.up(config=step.config(deployed))
        assert pulling.failures == [], step
        assert min(pulling.pulls.values()) >= LEAST_PULLS, "the load must have been there"
    after = program.outputs()
    assert after["verifiedNodes"] == before["verifiedNodes"]
    assert after["caFingerprintSha256"] != before["caFingerprintSha256"]
    assert holders(program.machines, before["caCertPem"]) == {name: [] for name in program.machines}
    assert all(holders(program.machines, after["caCertPem"]).values())
    assert deployed.unit_starts() == starts, "no step needs K3s to restart"
