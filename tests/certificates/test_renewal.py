"""Renewal. Only the stand-in plugin's clock can be moved, so the tests issue certificates in the past."""

import pytest

from lab.engine import Engine

from .certificate_stack import CertificateStack, said

ISSUED_ANEW = "the server certificate is issued anew by this `up`"
ENDS = "authority one ends on"
PLAN = {"serverDays": 100, "renewDays": 30}


@pytest.fixture(scope="session")
def engine(engine_with_clock: Engine) -> Engine:
    """The engine of every stack in this file."""
    return engine_with_clock


def test_the_first_up_announces_nothing(stack: CertificateStack) -> None:
    text = stack.up(PLAN)
    assert ISSUED_ANEW not in text
    assert ENDS not in text


def test_outside_the_window_a_second_up_changes_nothing(stack: CertificateStack) -> None:
    stack.up(PLAN, days=-69)
    before = stack.issued()
    text = stack.up(PLAN)
    assert ISSUED_ANEW not in text
    assert stack.issued() == before


def test_a_preview_within_the_window_announces_the_renewal(stack: CertificateStack) -> None:
    stack.up(PLAN, days=-71)
    text = stack.preview(PLAN)
    assert ISSUED_ANEW in text
    assert "certificates.renewDays (30" in text
    assert "a renewal alone changes nothing that nodes trust" in text
    assert "`pulumi stack output serverNotAfter`" in text, "the engine shows the program no state, so no date"


@pytest.mark.parametrize("days", [-71, -200], ids=["before its end", "after its end"])
def test_an_up_renews_only_the_server_certificate(stack: CertificateStack, days: int) -> None:
    """Nothing that nodes trust changes."""
    stack.up(PLAN, days=days)
    before = stack.issued()
    text = stack.up(PLAN)
    after = stack.issued()
    assert ISSUED_ANEW in text
    assert after.server.serial_number != before.server.serial_number
    assert after.server.public_key() == before.server.public_key()
    assert after.bundle == before.bundle
    assert ISSUED_ANEW not in stack.up(PLAN), "one renewal is enough"


def test_preview_and_up_warn_of_an_authority_near_its_end(stack: CertificateStack) -> None:
    plan = {"authorityYears": 1, "serverDays": 100}
    stack.up(plan, days=-266)
    before = stack.issued()
    end = before.issuer.not_valid_after_utc
    for text in (stack.preview(plan), stack.up(plan)):
        assert f"{ENDS} {end:%Y-%m-%d}, and the server certificate with it" in text
        assert "rotate the authority" in text
    assert stack.issued().bundle == before.bundle, "an authority is never renewed by itself"


def test_an_authority_far_from_its_end_causes_no_warning(stack: CertificateStack) -> None:
    plan = {"authorityYears": 1, "serverDays": 100}
    stack.up(plan, days=-264)
    assert ENDS not in stack.up(plan)


def test_accept_gap_replaces_an_authority_that_has_ended(stack: CertificateStack) -> None:
    plan = {"authorityYears": 1, "serverDays": 100}
    stack.up(plan, days=-400)
    ended = stack.issued().issuer
    done = stack.run("preview", plan=plan)
    assert done.returncode != 0
    assert "certificates.acceptGap" in said(done)
    stack.up({**plan, "acceptGap": True, "protect": False})
    after = stack.issued()
    assert after.issuer.not_valid_before_utc > ended.not_valid_after_utc
    after.server.verify_directly_issued_by(after.issuer)
    assert ISSUED_ANEW not in stack.up(plan)
