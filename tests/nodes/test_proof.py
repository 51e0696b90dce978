from components.nodes.proof import oldest_second


def test_the_oldest_proof_decides_the_age_of_all() -> None:
    assert oldest_second(['{"second": 7, "digest": "d"}', '{"digest": "e", "second": 5}']) == 5


def test_without_a_proof_nothing_has_an_age() -> None:
    assert oldest_second([]) is None


def test_a_report_of_an_earlier_version_says_nothing_about_its_age() -> None:
    assert oldest_second(['{"digest": "d"}', '{"digest": "e", "second": 5}']) == 5
