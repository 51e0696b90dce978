"""The preview refuses, per node, every step of a rotation that would leave a node without trust for a while."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from .deployed import Deployed

pytestmark = pytest.mark.lab
BOTH = {"authorities": ["one", "two"], "issuer": "one"}


@pytest.fixture(scope="module")
def both(deployed: Deployed) -> Iterator[Deployed]:
    """After the first step: every node trusts two authorities, and the old one signs."""
    deployed.program.up(config=deployed.program.configuration(lambda keys: keys["certificates"].update(BOTH)))
    yield deployed
    deployed.program.restore()


def previewed(deployed: Deployed, plan: dict[str, Any]) -> str:
    """The output of a preview with these `certificates`, which it must refuse."""
    config = deployed.program.configuration(lambda keys: keys["certificates"].update(plan))
    done = deployed.program.run("preview", "--color", "never", config=config, expect=None)
    assert done.status != 0, done.text
    assert "Traceback" not in done.text
    return " ".join(done.text.split())


def test_dropping_an_authority_and_switching_the_issuer_in_one_step_is_refused(both: Deployed) -> None:
    said = previewed(both, {"authorities": ["two"], "issuer": "two"})
    assert re.search(r"node \w+: would forget an authority in the same `up`", said)


@pytest.mark.long
def test_an_issuer_that_a_node_was_not_told_of_is_refused_although_it_is_made_already(both: Deployed) -> None:
    plan = {"authorities": ["one", "two", "three"], "issuer": "three"}
    config = both.program.configuration(lambda keys: keys["certificates"].update(plan))
    both.program.up(config=config, expect=None)
    said = previewed(both, plan)
    assert re.search(r"node \w+: does not trust authority three yet", said)


def test_the_second_step_is_not_refused(both: Deployed) -> None:
    config = both.program.configuration(lambda keys: keys["certificates"].update({**BOTH, "issuer": "two"}))
    planned = both.program.planned(config)
    assert planned["registry-certificates-server"] == "replace"
    assert [name for name in planned if name.endswith("-trust")] == []
