import pytest

from .alone import Alone, said

REFUSED = "every node must trust an authority before it signs"
ONE = {"authorities": ["one"]}
BOTH = {"authorities": ["one", "two"], "issuer": "one"}
SWITCHED = {"authorities": ["one", "two"], "issuer": "two"}
TWO = {"authorities": ["two"]}
KEYS = "registry-certificates-authority-{0}", "registry-certificates-authority-{0}-key"


def names(generation: str) -> set[str]:
    return {key.format(generation) for key in KEYS}


def test_three_steps_lead_from_one_authority_to_the_next_with_trust_always_ahead(alone: Alone) -> None:
    alone.up(ONE)
    first = alone.issued()
    alone.up(BOTH)
    added = alone.issued()
    assert added.bundle[0] == first.issuer
    assert len(added.bundle) == 2
    assert added.server == first.server, "who signs has not changed yet"
    alone.up(SWITCHED)
    switched = alone.issued()
    assert switched.bundle == added.bundle, "the second step changes nothing that nodes trust"
    switched.server.verify_directly_issued_by(added.bundle[1])
    alone.up(TWO)
    dropped = alone.issued()
    assert dropped.bundle == [added.bundle[1]]
    assert dropped.server == switched.server, "the third step changes nothing that the registry serves"


@pytest.mark.parametrize("plan", [SWITCHED, TWO], ids=["added and made issuer at once", "replaced at once"])
def test_an_issuer_that_no_node_can_trust_yet_is_refused_before_anything_changes(
    alone: Alone, plan: dict[str, object]
) -> None:
    alone.up({**ONE, "protect": False})
    before = alone.issued()
    for command in (["preview"], ["up", "--yes", "--skip-preview"]):
        done = alone.run(*command, plan={**plan, "protect": False})
        assert done.returncode != 0
        assert REFUSED in said(done)
        assert "Traceback" not in said(done)
    assert alone.issued() == before


def test_another_curve_in_the_same_step_does_not_hide_the_new_issuer(alone: Alone) -> None:
    alone.up(ONE)
    done = alone.run("preview", plan={**SWITCHED, "curve": "P384"})
    assert done.returncode != 0
    assert REFUSED in said(done)


def test_who_accepts_a_gap_may_replace_the_issuer_at_once(alone: Alone) -> None:
    alone.up({**ONE, "protect": False})
    before = alone.issued()
    alone.up({**TWO, "acceptGap": True})
    after = alone.issued()
    assert before.issuer not in after.bundle
    after.server.verify_directly_issued_by(after.issuer)


def test_a_first_up_that_was_cut_off_after_the_authority_goes_on(alone: Alone) -> None:
    alone.up()
    for name in ("server", "server-request", "server-key"):
        urns = [urn for urn in alone.urns() if urn.endswith(f"::registry-certificates-{name}")]
        assert alone.pulumi("state", "delete", "--yes", *urns).returncode == 0
    assert REFUSED not in alone.up()


def test_a_first_up_of_the_authority_alone_is_not_refused(alone: Alone) -> None:
    reached = [f"--target=**::{name}" for name in ("registry-certificates", *names("one"))]
    done = alone.run("up", "--yes", "--skip-preview", *reached)
    assert done.returncode == 0, said(done)
    assert REFUSED not in alone.up()


def test_an_authority_stays_what_it_is_when_the_plan_or_the_host_name_changes(alone: Alone) -> None:
    alone.up(ONE)
    before = alone.issued().bundle
    alone.up({**ONE, "curve": "P384", "authorityYears": 5}, hostname="images.cube.local")
    after = alone.issued()
    assert after.bundle == before
    assert after.server.not_valid_after_utc > before[0].not_valid_before_utc


def test_the_issuer_is_protected_and_the_others_are_not(alone: Alone) -> None:
    alone.up(ONE)
    assert alone.protected() == names("one")
    alone.up(BOTH)
    assert alone.protected() == names("one")
    alone.up(SWITCHED)
    assert alone.protected() == names("two")
    alone.up(TWO)
    assert alone.protected() == names("two")


def test_the_stack_may_say_that_nothing_is_protected(alone: Alone) -> None:
    alone.up({**ONE, "protect": False})
    assert alone.protected() == set()


def test_dropping_the_issuer_without_the_second_step_is_refused(alone: Alone) -> None:
    alone.up(ONE)
    alone.up(BOTH)
    done = alone.run("preview", plan=TWO)
    assert done.returncode != 0
    assert "protected" in said(done)


def test_destroy_keeps_the_issuer_until_protection_is_switched_off(alone: Alone) -> None:
    alone.up(ONE)
    done = alone.pulumi("destroy", "--yes", "--skip-preview")
    assert done.returncode != 0
    assert "protected" in said(done)
    alone.up({**ONE, "protect": False})
    done = alone.pulumi("destroy", "--yes", "--skip-preview")
    assert done.returncode == 0, said(done)


def test_what_a_destroy_has_kept_is_the_issuer_of_the_next_up(alone: Alone) -> None:
    alone.up(ONE)
    before = alone.issued().bundle
    done = alone.pulumi("destroy", "--yes", "--skip-preview", "--exclude-protected")
    assert done.returncode == 0, said(done)
    alone.up(ONE)
    assert alone.issued().bundle == before


def test_a_servers_key_is_replaced_without_a_change_of_trust(alone: Alone) -> None:
    alone.up(ONE)
    before = alone.issued()
    [urn] = [urn for urn in alone.urns() if urn.endswith("::registry-certificates-server-key")]
    done = alone.pulumi("up", "--yes", "--skip-preview", "--replace", urn)
    assert done.returncode == 0, said(done)
    after = alone.issued()
    assert after.server.public_key() != before.server.public_key()
    assert after.bundle == before.bundle
