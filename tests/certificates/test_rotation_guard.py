"""Refusals of the guard, given the engine's reports; in `test_rotation` the real engine reports."""

from collections.abc import Collection, Mapping
from dataclasses import replace

import pulumi
import pytest

from components.certificates.plan import CertificatePlan, Curve
from components.certificates.rotation import RotationGuard

from .authorities import ROOT

PLAN = CertificatePlan(
    authorities=("one", "two"),
    issuer="two",
    curve=Curve.P256,
    authority_years=10,
    server_days=397,
    renew_days=30,
    accept_gap=False,
    protect=True,
    external=None,
)
NEW = "f" * 64
UNKNOWN = object()
EXISTING = {"request": "its PEM", "one": "its PEM"}


def guard(*created: str, accept_gap: bool = False) -> RotationGuard:
    """A guard to which the engine has reported that it creates these resources."""
    created_guard = RotationGuard(replace(PLAN, accept_gap=accept_gap), server_certificate="server")
    created_guard._created.update(created)
    created_guard._issuer_fingerprints = frozenset({ROOT.fingerprint})
    return created_guard


def refusal(asked: RotationGuard, watched: Mapping[str, object]) -> str | None:
    """The guard's sentence where it does not let the issuer sign."""
    try:
        asked.refuse_untrusted_issuer("two", watched)
    except pulumi.RunError as error:
        return str(error)
    return None


def test_an_issuer_that_exists_may_sign() -> None:
    assert refusal(guard("server"), EXISTING | {"two": "its PEM"}) is None


def test_the_issuer_of_a_first_up_may_sign() -> None:
    first = guard("one", "two", "request", "server")
    assert refusal(first, {"request": UNKNOWN, "one": UNKNOWN, "two": UNKNOWN}) is None


@pytest.mark.parametrize(
    ("created", "watched"),
    [
        (["two", "server"], EXISTING | {"two": UNKNOWN}),
        (["two", "server"], EXISTING | {"two": "known at once, as the URN of an external one is"}),
        (["two", "request", "server"], {"request": UNKNOWN, "one": "its PEM", "two": UNKNOWN}),
        (["two", "server"], {"request": "its PEM", "two": UNKNOWN}),
    ],
    ids=["added at once", "external", "with another curve", "replaced at once"],
)
def test_an_issuer_created_by_the_same_up_is_refused(created: list[str], watched: dict[str, object]) -> None:
    """The registry already exists, so its nodes trust the former issuer alone."""
    sentence = refusal(guard(*created), watched)
    assert sentence is not None
    assert "'two' would be created by this very `up`, so no node trusts it yet" in sentence


def test_an_issuer_that_this_up_creates_may_sign_once_a_gap_is_accepted() -> None:
    assert refusal(guard("two", "server", accept_gap=True), EXISTING | {"two": UNKNOWN}) is None


def test_a_skipped_request_does_not_prove_that_a_registry_exists() -> None:
    assert refusal(guard("two"), {"request": None, "two": "its PEM"}) is None


def test_a_nodes_trust_may_change_while_the_registrys_certificate_stays() -> None:
    assert guard().gap({ROOT.fingerprint, NEW}, {ROOT.fingerprint}) is None
    assert guard().gap({ROOT.fingerprint}, {ROOT.fingerprint, NEW}) is None


@pytest.mark.parametrize("after", [(), {ROOT.fingerprint}, {ROOT.fingerprint, NEW}])
def test_a_node_that_shares_nothing_with_the_registry_is_refused_at_every_attempt(after: Collection[str]) -> None:
    """An `up` without a preview that is refused has issued the certificate: the next one does not issue it again."""
    reason = guard().gap({NEW}, after) or ""
    assert "does not trust authority two yet" in reason
    assert "certificates.acceptGap to true" in reason
    assert guard(accept_gap=True).gap({NEW}, after) is None


def test_an_issuer_that_is_not_known_proves_nothing() -> None:
    """`--target` may skip it."""
    skipped = guard()
    skipped._issuer_fingerprints = frozenset()
    assert skipped.gap({NEW}, {ROOT.fingerprint}) is None


def test_a_node_that_trusts_the_issuer_may_learn_of_another_authority() -> None:
    assert guard("server").gap({ROOT.fingerprint}, {ROOT.fingerprint, NEW}) is None


def test_a_node_that_does_not_trust_the_issuer_yet_is_named_as_the_reason() -> None:
    assert "does not trust authority two yet" in (guard("server").gap({NEW}, {NEW, ROOT.fingerprint}) or "")


def test_no_authority_is_dropped_while_the_certificate_changes() -> None:
    """Some pods still serve the registry's former certificate."""
    assert "would forget an authority" in (guard("server").gap({ROOT.fingerprint, NEW}, {ROOT.fingerprint}) or "")


def test_a_node_whose_next_trust_is_unknown_is_not_refused() -> None:
    assert guard("server").gap({ROOT.fingerprint, NEW}, ()) is None


def test_a_node_may_be_left_without_trust_once_a_gap_is_accepted() -> None:
    assert guard("server", accept_gap=True).gap({NEW}, {NEW}) is None
