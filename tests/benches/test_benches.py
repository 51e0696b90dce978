"""The benches still run: the smallest variant of each; its output is checked, its speed is not."""

import os
import re
from collections.abc import Iterator

import pytest

from bench import ansible_guide, fleet, node_bench
from bench.site import Site
from lab import needs
from lab.settings import PROJECT, Lab

NAME = os.environ.get("K3S_REGISTRY_TEST_LAB", "test")
RATIO = r"\d+\.\d\d"


def _lab_or_skip() -> Lab:
    lacks = needs.lacks()
    if lacks:
        pytest.skip(f"this computer cannot carry the lab: {lacks[0]}")
    return Lab(f"{NAME[:10]}bench")


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A lab name of this test's own; its machines are removed whatever the bench does."""
    found = _lab_or_skip()
    Site(found).down()
    yield found
    Site(found).down()


@pytest.mark.lab
def test_the_node_bench_runs_every_case_and_ends_with_its_ratios(lab: Lab) -> None:
    done = node_bench.run(lab=lab, sizes=(1,), rounds=1, with_guide=False)
    cases = (node_bench.FIRST, node_bench.NONE, node_bench.AUDIT, node_bench.CHANGE)
    assert set(done.runs) == {(1, method, case) for method in (node_bench.FLOOR, node_bench.UP) for case in cases}
    ours = f"apply={RATIO} change={RATIO} audit={RATIO}"
    assert re.fullmatch(f"ratios {ours} guide_first=- guide_rerun=-", done.ratios(1))


@pytest.mark.lab
@pytest.mark.long
@pytest.mark.skipif(not ansible_guide.has_ansible(), reason="no ansible in .venv-bench; bench/setup.sh gets it")
def test_the_guides_commands_run_and_can_be_taken_back(lab: Lab) -> None:
    done = node_bench.run(lab=lab, sizes=(1,), rounds=1)
    assert re.search(f"guide_first={RATIO} guide_rerun={RATIO}$", done.ratios(1))


@pytest.mark.engine
def test_the_fleet_bench_runs_and_ends_with_its_ratios() -> None:
    done = fleet.run(count=3, rounds=1, settings=False)
    assert re.fullmatch(f"fleet first={RATIO} none={RATIO} change={RATIO}", done.ratios())
    # Otherwise both payloads would be the same.
    assert done.state_bytes[fleet.FULL] > 2 * done.state_bytes[fleet.EMPTY]


def test_the_guides_commands_are_those_of_the_guide() -> None:
    assert [module for module, _ in ansible_guide.COMMANDS] == ["copy", "copy", "shell", "copy", "file", "copy"]
    assert (PROJECT / "bench" / "guide_files" / "registries.yaml").read_text().startswith("mirrors:\n")
