import datetime as dt

import pytest

from components.certificates.notices import end_warning

END = dt.datetime(2036, 1, 1, tzinfo=dt.UTC)


def warned(days_before_end: float) -> str | None:
    return end_warning("one", END, 100, END - dt.timedelta(days=days_before_end))


def test_no_warning_while_the_issuer_outlives_its_certificates() -> None:
    """A server certificate that was issued now would end before its issuer."""
    assert warned(100) is None


@pytest.mark.parametrize("days", [99.9, 1])
def test_an_issuer_that_ends_before_its_certificates_causes_a_warning(days: float) -> None:
    """A server certificate that was issued now would end after its issuer; the warning names the issuer's end."""
    sentence = warned(days)
    assert sentence is not None
    assert "authority one ends on 2036-01-01" in sentence
    assert "rotate" in sentence


def test_the_warning_says_so_when_an_issuer_has_ended() -> None:
    assert "authority one ended on 2036-01-01" in (warned(-1) or "")


def test_the_warning_says_to_drop_an_authority_that_signs_nothing() -> None:
    text = end_warning("one", END, 100, END - dt.timedelta(days=99), signs=False)
    assert text is not None
    assert "authority one, which signs nothing, ends on" in text
    assert "drop it from certificates.authorities" in text
