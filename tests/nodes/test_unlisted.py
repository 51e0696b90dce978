import pytest

from components.nodes import unlisted


def test_a_servers_report_names_the_clusters_nodes() -> None:
    assert unlisted.reported('{"digest":"d","pushed":true,"cluster":["a","b"]}') == ["a", "b"]


def test_an_agent_reports_no_nodes() -> None:
    assert unlisted.reported('{"digest":"d","pushed":true}') is None


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
def test_a_node_that_a_server_saw_and_the_configuration_omits_is_missing(
    reports: list[list[str] | None], missing: list[str] | None
) -> None:
    assert unlisted.missing(["a", "b"], reports) == missing


def test_a_complete_list_gives_no_warning() -> None:
    assert unlisted.warning([]) is None


def test_the_missing_nodes_are_named() -> None:
    assert "found c, d in the cluster" in str(unlisted.warning(["c", "d"]))


def test_a_warning_says_that_no_server_reported() -> None:
    assert "no K3s server" in str(unlisted.warning(None))
