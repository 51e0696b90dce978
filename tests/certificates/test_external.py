"""An external authority in a stack, as root or below one; `test_external_checks` has the chains that are refused."""

import datetime as dt
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.authority import Authority

from .authorities import BELOW, NOW, ROOT, authority
from .certificate_stack import CertificateStack, Deployed, said

ONE = {"authorities": ["one"]}
HOUSE = {"authorities": ["house"], "external": "house"}


def test_an_external_root_signs_and_is_trusted(stack: CertificateStack) -> None:
    stack.set_secret("caPrivateKey", ROOT.key_pem)
    stack.up(HOUSE, caCertificate=ROOT.pem)
    issued = stack.issued()
    assert issued.bundle == [ROOT.certificate]
    assert issued.served == [issued.server]
    issued.server.verify_directly_issued_by(ROOT.certificate)


def test_the_chain_is_served_in_order_and_its_root_trusted(stack: CertificateStack) -> None:
    stack.set_secret("caPrivateKey", BELOW.key_pem)
    stack.up(HOUSE, caCertificate=BELOW.pem + ROOT.pem)
    issued = stack.issued()
    assert issued.bundle == [issued.issuer] == [ROOT.certificate]
    assert issued.served == [issued.server, BELOW.certificate]
    issued.server.verify_directly_issued_by(BELOW.certificate)


def test_an_external_authority_takes_over_in_the_same_three_steps(deployed: Deployed) -> None:
    stack = deployed(ONE)
    stack.set_secret("caPrivateKey", ROOT.key_pem)
    both = {"authorities": ["one", "house"], "external": "house"}
    stack.up({**both, "issuer": "one"}, caCertificate=ROOT.pem)
    assert len(stack.issued().bundle) == 2
    stack.up({**both, "issuer": "house"}, caCertificate=ROOT.pem)
    stack.issued().server.verify_directly_issued_by(ROOT.certificate)
    stack.up(HOUSE, caCertificate=ROOT.pem)
    assert stack.issued().bundle == [ROOT.certificate]


@pytest.mark.parametrize("before", [{}, {"authorities": ["house"], "external": "house"}], ids=["own", "external"])
def test_an_authority_that_no_node_can_trust_yet_is_refused(stack: CertificateStack, before: dict[str, object]) -> None:
    former = authority("house root")
    certificate: dict[str, Any] = {}
    if before:
        stack.set_secret("caPrivateKey", former.key_pem)
        certificate = {"caCertificate": former.pem}
    stack.up(before, **certificate)
    stack.set_secret("caPrivateKey", ROOT.key_pem)
    plan = HOUSE if before else {"authorities": ["one", "house"], "external": "house", "issuer": "house"}
    done = stack.run("preview", plan=plan, caCertificate=ROOT.pem)
    assert done.returncode != 0
    assert "certificates.issuer: 'house' would be created by this very `up`, so no node trusts it yet" in said(done)


def test_the_next_certificate_of_the_same_key_needs_accept_gap(stack: CertificateStack) -> None:
    """With `acceptGap` it is accepted: the program sees a replaced issuer, although no pull fails."""
    stack.set_secret("caPrivateKey", ROOT.key_pem)
    stack.up(HOUSE, caCertificate=ROOT.pem)
    builder = x509.CertificateBuilder(
        ROOT.certificate.issuer,
        ROOT.certificate.subject,
        ROOT.key.public_key(),
        x509.random_serial_number(),
        NOW,
        NOW + dt.timedelta(days=7000),
        list(ROOT.certificate.extensions),
    )
    renewed = Authority(builder.sign(ROOT.key, hashes.SHA256()), ROOT.key)
    stack.up({**HOUSE, "acceptGap": True}, caCertificate=renewed.pem)
    assert stack.issued().bundle == [renewed.certificate]
    stack.issued().server.verify_directly_issued_by(ROOT.certificate)


SHORT_ROOT = authority("short root", path_length=0)


def test_an_unusable_chain_is_refused_before_the_registry_serves_it(stack: CertificateStack) -> None:
    chain = [authority("too deep", SHORT_ROOT), SHORT_ROOT]
    stack.set_secret("caPrivateKey", chain[0].key_pem)
    done = stack.run("up", "--yes", "--skip-preview", plan=HOUSE, caCertificate="".join(one.pem for one in chain))
    assert done.returncode != 0
    reason = "path length constraint exceeded"
    assert f"caCertificate: found an authority whose signature no node would accept ({reason}" in said(done)
    assert "Traceback" not in said(done)
    assert "server" not in stack.issued().outputs


def test_a_certificate_and_a_key_that_cannot_sign_are_refused_by_name(stack: CertificateStack) -> None:
    stack.set_secret("caPrivateKey", ROOT.key_pem)
    done = stack.run("preview", plan=HOUSE, caCertificate=BELOW.pem + ROOT.pem)
    assert done.returncode != 0
    assert "caPrivateKey: found another key" in said(done)
    done = stack.run("preview", plan=HOUSE, caCertificate=ROOT.pem + BELOW.pem)
    assert done.returncode != 0
    assert "caCertificate: certificate 1 is not signed by the next one" in said(done)


def test_a_private_key_among_the_certificates_is_refused_and_not_shown(stack: CertificateStack) -> None:
    stack.set_secret("caPrivateKey", ROOT.key_pem)
    done = stack.run("preview", plan=HOUSE, caCertificate=ROOT.pem + ROOT.key_pem)
    assert "caCertificate: found a private key in it" in said(done)
    assert ROOT.key_pem.splitlines()[1] not in said(done)


def test_line_ends_of_windows_do_not_reach_the_nodes(stack: CertificateStack) -> None:
    stack.set_secret("caPrivateKey", ROOT.key_pem)
    stack.up(HOUSE, caCertificate=ROOT.pem.replace("\n", "\r\n"))
    assert stack.issued().outputs["bundle"] == ROOT.pem


def test_its_end_causes_a_warning(stack: CertificateStack) -> None:
    ending = authority("ending", days=90)
    stack.set_secret("caPrivateKey", ending.key_pem)
    assert "authority house ends on" in stack.up({**HOUSE, "serverDays": 91}, caCertificate=ending.pem)


def test_its_key_is_in_neither_state_nor_output(stack: CertificateStack) -> None:
    stack.set_secret("caPrivateKey", ROOT.key_pem)
    text = stack.up(HOUSE, caCertificate=ROOT.pem)
    text += stack.pulumi("stack", "export").stdout + stack.pulumi("preview", "--diff").stdout + stack.file.read_text()
    telling = ROOT.key_pem.splitlines()[1]
    assert telling not in text


def test_the_issuers_key_must_be_there_and_secret(stack: CertificateStack) -> None:
    done = stack.run("preview", plan=HOUSE, caCertificate=ROOT.pem)
    assert "caPrivateKey: is missing" in said(done)
    done = stack.run("preview", plan=HOUSE, caCertificate=ROOT.pem, caPrivateKey=ROOT.key_pem)
    assert "caPrivateKey: is stored unencrypted in the stack file" in said(done)
    assert ROOT.key_pem.splitlines()[1] not in said(done)


def test_a_value_that_is_no_key_is_refused_and_not_shown(stack: CertificateStack) -> None:
    stack.set_secret("caPrivateKey", "very secret words")
    done = stack.run("preview", plan=HOUSE, caCertificate=ROOT.pem)
    assert "caPrivateKey: found no private key in PEM; it must be complete, unencrypted" in said(done)
    assert "very secret words" not in said(done)
