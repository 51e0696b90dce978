import pytest

from components import coverage


def test_a_servers_report_names_the_clusters_nodes() -> None:
    assert coverage.seen('{"digest":"d","pushed":true,"cluster":["a","b"]}') == ["a", "b"]


def test_an_agents_report_names_none() -> None:
    assert coverage.seen('{"digest":"d","pushed":true}') is None


@pytest.mark.parametrize(
    ("reports", "missing"),
    [
        ([None, ["a", "b"]], []),
        ([["b", "c", "a"], ["d"]], ["c", "d"]),
        ([[]], []),
        ([None], None),
        ([], None),
    ],
)
def test_what_some_server_saw_and_nobody_listed_is_missing(
    reports: list[list[str] | None], missing: list[str] | None
) -> None:
    assert coverage.unlisted(["a", "b"], reports) == missing


def test_a_complete_list_is_worth_no_word() -> None:
    assert coverage.warning([]) is None


def test_the_missing_nodes_are_named() -> None:
    assert "found c, d in the cluster" in str(coverage.warning(["c", "d"]))


def test_a_list_that_nobody_could_compare_is_told() -> None:
    assert "no K3s server" in str(coverage.warning(None))
