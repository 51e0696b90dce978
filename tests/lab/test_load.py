"""Clients push and pull through the deletion of the registry's pod: the smallest variant of `make load`."""

import re

from bench import load

from .deployed import Deployed


def test_no_image_is_lost_while_the_pod_is_deleted(deployed: Deployed) -> None:
    deleted = load.EVENTS[0]
    done = load.run(deployed.program.lab, seconds=6, clients=8, events=[deleted])
    assert done.is_good, [*done.report()]
    assert re.fullmatch(r"load requests=\d{2,} failed=\d lost=0 mismatched=0", [*done.report()][-1])
    assert done.events[0].startswith("the pod is deleted at 1 s")
