"""Certificates that are not valid at the time of the node's clock, on a node with a running containerd."""

import datetime as dt
from collections.abc import Iterator

import pytest

from tests.faults.node_under_fault import REGISTRY, NodeUnderFault
from tests.faults.pulling_node import Puller, pulling, registry
from tests.faults.snapshot import snapshot
from tests.faults.tally import Tally

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


@pytest.fixture(scope="module")
def puller(nodes_under_fault: list[NodeUnderFault]) -> Iterator[Puller]:
    node = nodes_under_fault[1]
    with pulling(node) as found:
        assert node.run("rotated").changed
        yield found
    node.recover("fresh")


@pytest.mark.parametrize(
    ("start", "end", "says"),
    [
        (NOW + DAY, NOW + 30 * DAY, "is not yet valid by this node's clock ("),
        (NOW - 30 * DAY, NOW - DAY, "has expired by this node's clock ("),
    ],
    ids=["before its start", "after its end"],
)
def test_a_clock_outside_the_certificates_time_is_said_and_heals_with_the_certificate(
    puller: Puller, tally: Tally, start: dt.datetime, end: dt.datetime, says: str
) -> None:
    node = puller.node
    trusted = node.authorities["rotated"]
    before = snapshot(node.machine)
    said: list[str] = []

    def inject() -> None:
        with registry(node, trusted[0], start, end):
            pulled = puller.pull(f"{REGISTRY}/any:latest")
            assert pulled.returncode == 1
            assert "certificate has expired or is not yet valid" in pulled.stdout + pulled.stderr
            outcome = puller.proof(trusted, says)
        assert outcome.status == 1, outcome
        said.append(outcome.stderr)

    def check() -> None:
        assert says in said[0], said
        assert said[0].count("\n") == 1
        assert snapshot(node.machine) == before
        with registry(node, trusted[0], NOW - DAY, NOW + 30 * DAY):
            healed = puller.proof(trusted, says)
            assert (healed.status, healed.stderr) == (0, ""), healed
            again = puller.proof(trusted, says)
            assert '"pushed":false' in again.stdout
            assert puller.digest(again) == puller.digest(healed)
        assert not node.run("rotated").changed
        assert snapshot(node.machine) == before

    tally.attempt(f"a certificate of {start:%F} to {end:%F}", inject, check)
    tally.check()
