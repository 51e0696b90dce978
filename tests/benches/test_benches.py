"""The benches still run: the smallest variant of each; its output is checked, its speed is not."""

import os
import re
from collections.abc import Iterator

import pytest

from bench import ansible_guide, fleet, fleet_report, node_bench
from bench.measurement import too_busy
from bench.processes import ENGINE, PLUGIN, PROGRAM
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
@pytest.mark.long
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
@pytest.mark.long
def test_the_fleet_bench_runs_and_ends_with_its_ratios() -> None:
    done = fleet.run([3], rounds=1, compare=False)
    assert re.fullmatch(f"fleet first={RATIO} none={RATIO} change={RATIO}", fleet_report.last_line(done))
    # Otherwise both payloads would be the same.
    assert done[0].state[fleet.FULL][0] > 2 * done[0].state[fleet.EMPTY][0]
    # Otherwise the sum of all processes would hide that one of them is not recognised.
    assert all(done[0].use(role).cpu > 0 for role in (ENGINE, PROGRAM, PLUGIN))
    assert "\n".join(fleet_report.report(done)).count("| 3 | ") == 4 + 2 + 3


def test_a_bench_says_when_the_computer_is_too_busy() -> None:
    assert too_busy(1.0, 2) is None
    said = too_busy(1.1, 2)
    assert said is not None
    assert "was 1.1, and at most 1.0" in said


def test_the_guides_commands_are_those_of_the_guide() -> None:
    assert [module for module, _ in ansible_guide.COMMANDS] == ["copy", "copy", "shell", "copy", "file", "copy"]
    assert (PROJECT / "bench" / "guide_files" / "registries.yaml").read_text().startswith("mirrors:\n")
