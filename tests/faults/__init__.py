import pytest

pytest.register_assert_rewrite(
    "tests.faults.faults",
    "tests.faults.gate",
    "tests.faults.invariants",
    "tests.faults.node_under_fault",
    "tests.faults.campaign",
)
