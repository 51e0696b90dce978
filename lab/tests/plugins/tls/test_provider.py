import asyncio
from typing import Any

import pytest
from pulumi.provider.experimental.provider import PropertyDiffKind

from lab.plugins import values
from lab.plugins.server import PluginError
from lab.plugins.tls import clock
from lab.plugins.tls.provider import TlsProvider
from lab.tests.plugins.calls import Answer, check, create, created, diff, read, update

KEY = "tls:index/privateKey:PrivateKey"
SELF_SIGNED = "tls:index/selfSignedCert:SelfSignedCert"
HOUR = 3600


@pytest.fixture
def provider() -> TlsProvider:
    return TlsProvider()


@pytest.fixture
def inputs(provider: TlsProvider) -> dict[str, Any]:
    return {
        "privateKeyPem": created(provider, KEY, {"algorithm": "ED25519"})["privateKeyPem"],
        "allowedUses": ["server_auth"],
        "validityPeriodHours": 10,
        "subject": {"commonName": "x"},
        "earlyRenewalHours": 2,
    }


def test_unchanged_inputs_are_no_change(provider: TlsProvider, inputs: dict[str, Any]) -> None:
    state = created(provider, SELF_SIGNED, inputs)
    answer = asyncio.run(diff(provider, SELF_SIGNED, state, inputs))
    assert (answer.changes, answer.replaces) == (False, [])


@pytest.mark.parametrize(
    "change",
    [
        {"allowedUses": ["client_auth"]},
        {"validityPeriodHours": 11},
        {"subject": {"commonName": "y"}},
        {"dnsNames": ["a.b"]},
        {"isCaCertificate": True},
        {"privateKeyPem": "other"},
        {"privateKeyPem": values.UNKNOWN},
    ],
    ids=str,
)
def test_a_changed_input_replaces_the_certificate_create_first(
    provider: TlsProvider, inputs: dict[str, Any], change: dict[str, Any]
) -> None:
    state = created(provider, SELF_SIGNED, inputs)
    answer = asyncio.run(diff(provider, SELF_SIGNED, state, {**inputs, **change}))
    assert answer.replaces == list(change)
    assert not answer.delete_before_replace


def test_early_renewal_hours_update_in_place_and_keep_the_certificate(
    provider: TlsProvider, inputs: dict[str, Any]
) -> None:
    state = created(provider, SELF_SIGNED, inputs)
    changed = {**inputs, "earlyRenewalHours": 3}
    answer = asyncio.run(diff(provider, SELF_SIGNED, state, changed))
    assert (answer.changes, answer.replaces) == (True, [])
    after = asyncio.run(update(provider, SELF_SIGNED, state, changed)).state
    assert after == {**state, "earlyRenewalHours": 3}


@pytest.mark.parametrize(("hours", "due"), [(7.9, False), (8.1, True), (20, True)])
def test_a_certificate_is_renewed_by_the_clock_alone(
    provider: TlsProvider, inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch, hours: float, *, due: bool
) -> None:
    state = created(provider, SELF_SIGNED, inputs)
    monkeypatch.setenv(clock.VARIABLE, f"+{hours * HOUR}")
    answer = asyncio.run(diff(provider, SELF_SIGNED, state, inputs))
    assert answer.replaces == (["readyForRenewal"] if due else [])
    if due:
        assert answer.detailed_diff["readyForRenewal"].kind is PropertyDiffKind.UPDATE_REPLACE


def test_a_renewal_period_as_long_as_the_certificate_renews_at_once(
    provider: TlsProvider, inputs: dict[str, Any]
) -> None:
    inputs["earlyRenewalHours"] = inputs["validityPeriodHours"]
    state = created(provider, SELF_SIGNED, inputs)
    assert asyncio.run(diff(provider, SELF_SIGNED, state, inputs)).replaces == ["readyForRenewal"]


def test_a_refresh_marks_what_is_due(
    provider: TlsProvider, inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    state = created(provider, SELF_SIGNED, inputs)
    assert asyncio.run(read(provider, SELF_SIGNED, state)).state == state
    monkeypatch.setenv(clock.VARIABLE, f"+{9 * HOUR}")
    assert asyncio.run(read(provider, SELF_SIGNED, state)).state == {**state, "readyForRenewal": True}


def test_the_clock_can_be_set_to_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(clock.VARIABLE, "2031-05-01T12:00:00+02:00")
    assert clock.rfc3339(clock.now()) == "2031-05-01T10:00:00Z"


def test_a_clock_without_time_zone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(clock.VARIABLE, "2031-05-01T12:00:00")
    with pytest.raises(ValueError, match="has no time zone"):
        clock.now()


def test_a_preview_leaves_what_is_computed_unknown(provider: TlsProvider, inputs: dict[str, Any]) -> None:
    answer = asyncio.run(create(provider, SELF_SIGNED, {**inputs, "privateKeyPem": values.UNKNOWN}, preview=True))
    assert answer.id == ""
    assert values.unknown_paths(answer.state) == {
        ("privateKeyPem",),
        ("certPem",),
        ("keyAlgorithm",),
        ("readyForRenewal",),
        ("validityStartTime",),
        ("validityEndTime",),
    }


def secret_state(provider: TlsProvider, inputs: dict[str, Any]) -> Answer:
    return asyncio.run(create(provider, SELF_SIGNED, inputs, [("subject",)]))


def test_a_secret_input_is_a_secret_output_and_the_certificate_is_public(
    provider: TlsProvider, inputs: dict[str, Any]
) -> None:
    assert secret_state(provider, inputs).secret == {("privateKeyPem",), ("subject",)}


def test_a_missing_input_is_named(provider: TlsProvider) -> None:
    _, failures = asyncio.run(check(provider, SELF_SIGNED, {"privateKeyPem": "x", "allowedUses": []}))
    assert list(failures) == ["validityPeriodHours"]


def test_an_input_that_does_not_exist_is_named(provider: TlsProvider) -> None:
    _, failures = asyncio.run(check(provider, KEY, {"algorithm": "RSA", "bits": 1}))
    assert list(failures) == ["bits"]


def test_a_negative_period_is_refused(provider: TlsProvider, inputs: dict[str, Any]) -> None:
    _, failures = asyncio.run(check(provider, SELF_SIGNED, {**inputs, "validityPeriodHours": -1}))
    assert failures == {"validityPeriodHours": "Attribute validityPeriodHours value must be at least 0, got: -1"}


def test_an_unknown_input_is_no_failure(provider: TlsProvider, inputs: dict[str, Any]) -> None:
    unknown = dict.fromkeys(inputs, values.UNKNOWN)
    assert asyncio.run(check(provider, SELF_SIGNED, unknown))[1] == {}


def test_a_resource_that_is_not_covered_says_so(provider: TlsProvider) -> None:
    with pytest.raises(PluginError, match="tls:index/other:Other is not covered by the stand-in"):
        asyncio.run(check(provider, "tls:index/other:Other", {}))


@pytest.mark.parametrize("name", ["privateKeyPemWo", "privateKeyPemWoVersion"])
def test_a_write_only_key_is_refused_by_name(provider: TlsProvider, inputs: dict[str, Any], name: str) -> None:
    assert list(asyncio.run(check(provider, SELF_SIGNED, {**inputs, name: "x"}))[1]) == [name]
