import pytest

from .certificate_stack import CertificateStack, Deployed, Prepared, said

REFUSED = "every node must trust an authority before it signs"
ONE = {"authorities": ["one"]}
BOTH = {"authorities": ["one", "two"], "issuer": "one"}
SWITCHED = {"authorities": ["one", "two"], "issuer": "two"}
TWO = {"authorities": ["two"]}
STEPS = ONE, BOTH, SWITCHED, TWO
KEYS = "registry-certificates-authority-{0}", "registry-certificates-authority-{0}-key"


def names(generation: str) -> set[str]:
    return {key.format(generation) for key in KEYS}


def test_three_steps_replace_an_authority(prepared: Prepared) -> None:
    """Every node trusts an authority before it signs."""
    first, added, switched, dropped = (prepared(*STEPS[: done + 1]).issued() for done in range(len(STEPS)))
    assert added.bundle[0] == first.issuer
    assert len(added.bundle) == 2
    assert added.server == first.server, "who signs has not changed yet"
    assert switched.bundle == added.bundle, "the second step changes nothing that nodes trust"
    switched.server.verify_directly_issued_by(added.bundle[1])
    assert dropped.bundle == [added.bundle[1]]
    assert dropped.server == switched.server, "the third step changes nothing that the registry serves"


@pytest.mark.parametrize("plan", [SWITCHED, TWO], ids=["added and switched to at once", "replaced at once"])
def test_an_issuer_that_no_node_trusts_yet_is_refused(deployed: Deployed, plan: dict[str, object]) -> None:
    """Nothing changes before the refusal."""
    stack = deployed({**ONE, "protect": False})
    before = stack.issued()
    for command in (["preview"], ["up", "--yes", "--skip-preview"]):
        done = stack.run(*command, plan={**plan, "protect": False})
        assert done.returncode != 0
        assert REFUSED in said(done)
        assert "Traceback" not in said(done)
    assert stack.issued() == before


def test_another_curve_in_the_same_step_does_not_hide_the_new_issuer(deployed: Deployed) -> None:
    stack = deployed(ONE)
    done = stack.run("preview", plan={**SWITCHED, "curve": "P384"})
    assert done.returncode != 0
    assert REFUSED in said(done)


def test_accept_gap_allows_to_replace_the_issuer_at_once(deployed: Deployed) -> None:
    stack = deployed({**ONE, "protect": False})
    before = stack.issued()
    stack.up({**TWO, "acceptGap": True})
    after = stack.issued()
    assert before.issuer not in after.bundle
    after.server.verify_directly_issued_by(after.issuer)


def test_an_interrupted_first_up_can_be_continued(deployed: Deployed) -> None:
    """It was interrupted when the authority alone existed."""
    stack = deployed(ONE)
    for name in ("server", "server-request", "server-key"):
        urns = [urn for urn in stack.urns() if urn.endswith(f"::registry-certificates-{name}")]
        assert stack.pulumi("state", "delete", "--yes", *urns).returncode == 0
    assert REFUSED not in stack.up()


def test_a_first_up_of_the_authority_alone_is_not_refused(stack: CertificateStack) -> None:
    reached = [f"--target=**::{name}" for name in ("registry-certificates", *names("one"))]
    done = stack.run("up", "--yes", "--skip-preview", *reached)
    assert done.returncode == 0, said(done)
    assert REFUSED not in stack.up()


def test_an_authority_keeps_the_inputs_that_it_was_created_with(deployed: Deployed) -> None:
    """Another plan or host name does not change it."""
    stack = deployed(ONE)
    before = stack.issued().bundle
    stack.up({**ONE, "curve": "P384", "authorityYears": 5}, hostname="images.cube.local")
    after = stack.issued()
    assert after.bundle == before
    assert after.server.not_valid_after_utc > before[0].not_valid_before_utc


def test_the_issuer_is_protected_and_the_others_are_not(prepared: Prepared) -> None:
    protected = [prepared(*STEPS[: done + 1]).protected() for done in range(len(STEPS))]
    assert protected == [names("one"), names("one"), names("two"), names("two")]


def test_the_stack_may_say_that_nothing_is_protected(prepared: Prepared) -> None:
    assert prepared({**ONE, "protect": False}).protected() == set()


def test_dropping_the_issuer_without_the_second_step_is_refused(deployed: Deployed) -> None:
    stack = deployed(ONE, BOTH)
    done = stack.run("preview", plan=TWO)
    assert done.returncode != 0
    assert "protected" in said(done)


def test_destroy_keeps_the_issuer_until_protection_is_switched_off(deployed: Deployed) -> None:
    stack = deployed(ONE)
    done = stack.pulumi("destroy", "--yes", "--skip-preview")
    assert done.returncode != 0
    assert "protected" in said(done)
    stack.up({**ONE, "protect": False})
    done = stack.pulumi("destroy", "--yes", "--skip-preview")
    assert done.returncode == 0, said(done)


def test_an_issuer_kept_by_destroy_signs_in_the_next_up(deployed: Deployed) -> None:
    stack = deployed(ONE)
    before = stack.issued().bundle
    done = stack.pulumi("destroy", "--yes", "--skip-preview", "--exclude-protected")
    assert done.returncode == 0, said(done)
    stack.up(ONE)
    assert stack.issued().bundle == before


def test_a_servers_key_is_replaced_without_a_change_of_trust(deployed: Deployed) -> None:
    stack = deployed(ONE)
    before = stack.issued()
    [urn] = [urn for urn in stack.urns() if urn.endswith("::registry-certificates-server-key")]
    done = stack.pulumi("up", "--yes", "--skip-preview", "--replace", urn)
    assert done.returncode == 0, said(done)
    after = stack.issued()
    assert after.server.public_key() != before.server.public_key()
    assert after.bundle == before.bundle
