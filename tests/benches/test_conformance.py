"""What the conformance suite's reports say, and what counts as lost behind the deployment."""

import pytest

from bench.conformance import Results, lost, read
from lab.settings import LabError


def report(*cases: tuple[str, str], counted: int = 4, failed: int = 1, skipped: int = 1) -> Results:
    listed = "".join(f'<testcase name="{name}" classname="" status="{status}"></testcase>' for name, status in cases)
    totals = f'tests="{counted}" failures="{failed}" errors="0" skipped="{skipped}"'
    return read(f"<testsuites {totals}><testsuite>{listed}</testsuite></testsuites>")


ALONE = report(("push/by-tag", "passed"), ("push/by-tag", "failure"), ("ping", "passed"), ("cancel", "skipped"))


def test_cases_and_counts_are_read() -> None:
    assert ALONE.cases["push/by-tag"] == {"passed": 1, "failure": 1}
    assert str(ALONE) == "cases=4 failed=1 skipped=1"


def test_a_registry_that_passes_the_same_in_another_order_lost_nothing() -> None:
    other = report(("cancel", "skipped"), ("push/by-tag", "failure"), ("ping", "passed"), ("push/by-tag", "passed"))
    assert lost(ALONE, other) == []


def test_a_case_that_passes_more_often_is_no_loss() -> None:
    other = report(("push/by-tag", "passed"), ("push/by-tag", "passed"), ("ping", "passed"), ("cancel", "passed"))
    assert lost(ALONE, other) == []


@pytest.mark.parametrize("status", ["failure", "error", "skipped"])
def test_a_case_that_only_passes_alone_is_named(status: str) -> None:
    other = report(("push/by-tag", "passed"), ("push/by-tag", "failure"), ("ping", status), ("cancel", "skipped"))
    assert lost(ALONE, other) == ["ping passes 1 times on its own and 0 times behind the deployment"]


def test_a_case_that_is_absent_behind_the_deployment_is_named() -> None:
    other = report(("ping", "passed"))
    assert lost(ALONE, other) == ["push/by-tag passes 1 times on its own and 0 times behind the deployment"]


def test_a_failure_that_the_suite_only_counts_is_found() -> None:
    other = report(
        ("push/by-tag", "passed"), ("push/by-tag", "failure"), ("ping", "passed"), ("cancel", "skipped"), failed=2
    )
    assert lost(ALONE, other) == [
        "the suite counts cases=4 failed=1 skipped=1 on its own and cases=4 failed=2 skipped=1 behind the deployment"
    ]


def test_a_report_without_a_case_is_refused() -> None:
    with pytest.raises(LabError, match="reports no case"):
        report()
