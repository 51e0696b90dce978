"""An authority made elsewhere: the house's own, as root or below one."""

import datetime as dt
from dataclasses import dataclass

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .alone import Alone, said

NOW = dt.datetime.now(dt.UTC)
HOUSE = {"authorities": ["house"], "external": "house"}


@dataclass(frozen=True)
class Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()


def authority(name: str, signer: Authority | None = None, *, days: float = 3650) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer.certificate.subject if signer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(days=1))
        .not_valid_after(NOW + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return Authority(builder.sign(signer.key if signer else key, hashes.SHA256()), key)


ROOT = authority("house root")
BELOW = authority("house services", ROOT)


def test_a_root_made_elsewhere_signs_and_is_trusted(alone: Alone) -> None:
    alone.set_secret("caPrivateKey", ROOT.key_pem)
    alone.up(HOUSE, caCertificate=ROOT.pem)
    issued = alone.issued()
    assert issued.bundle == [ROOT.certificate]
    assert issued.served == [issued.server]
    issued.server.verify_directly_issued_by(ROOT.certificate)


def test_below_a_root_the_chain_is_served_in_order_and_the_root_trusted(alone: Alone) -> None:
    alone.set_secret("caPrivateKey", BELOW.key_pem)
    alone.up(HOUSE, caCertificate=BELOW.pem + ROOT.pem)
    issued = alone.issued()
    assert issued.bundle == [issued.issuer] == [ROOT.certificate]
    assert issued.served == [issued.server, BELOW.certificate]
    issued.server.verify_directly_issued_by(BELOW.certificate)


def test_an_own_authority_takes_over_in_the_same_three_steps(alone: Alone) -> None:
    alone.up()
    alone.set_secret("caPrivateKey", ROOT.key_pem)
    both = {"authorities": ["one", "house"], "external": "house"}
    alone.up({**both, "issuer": "one"}, caCertificate=ROOT.pem)
    assert len(alone.issued().bundle) == 2
    alone.up({**both, "issuer": "house"}, caCertificate=ROOT.pem)
    alone.issued().server.verify_directly_issued_by(ROOT.certificate)
    alone.up(HOUSE, caCertificate=ROOT.pem)
    assert alone.issued().bundle == [ROOT.certificate]


def test_its_end_is_warned_of(alone: Alone) -> None:
    ending = authority("ending", days=90)
    alone.set_secret("caPrivateKey", ending.key_pem)
    assert "authority house ends on" in alone.up({**HOUSE, "serverDays": 91}, caCertificate=ending.pem)


def test_its_key_is_in_neither_state_nor_output(alone: Alone) -> None:
    alone.set_secret("caPrivateKey", ROOT.key_pem)
    text = alone.up(HOUSE, caCertificate=ROOT.pem)
    text += alone.pulumi("stack", "export").stdout + alone.pulumi("preview", "--diff").stdout + alone.file.read_text()
    telling = ROOT.key_pem.splitlines()[1]
    assert telling not in text


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        ("", "caCertificate: is missing"),
        ("no certificate", "caCertificate: is missing"),
        (BELOW.pem, "caCertificate: certificate 1 is not; each must be signed by the next one"),
        (ROOT.pem + BELOW.pem, "caCertificate: certificate 1 is not; each must be signed by the next one"),
    ],
    ids=["none", "no PEM", "without its root", "turned round"],
)
def test_a_chain_that_is_none_is_refused(alone: Alone, certificate: str, words: str) -> None:
    alone.set_secret("caPrivateKey", BELOW.key_pem)
    done = alone.run("preview", plan=HOUSE, caCertificate=certificate)
    assert done.returncode != 0
    assert words in said(done)


def test_a_server_certificate_is_refused_as_an_authority(alone: Alone) -> None:
    alone.up()
    alone.set_secret("caPrivateKey", ROOT.key_pem)
    done = alone.run("preview", plan=HOUSE, caCertificate=alone.issued().outputs["server"])
    assert "caCertificate: certificate 1 is not one of an authority" in said(done)


def test_the_issuers_key_must_be_there_and_secret(alone: Alone) -> None:
    done = alone.run("preview", plan=HOUSE, caCertificate=ROOT.pem)
    assert "caPrivateKey: is missing" in said(done)
    done = alone.run("preview", plan=HOUSE, caCertificate=ROOT.pem, caPrivateKey=ROOT.key_pem)
    assert "caPrivateKey: stands in the stack file unencrypted" in said(done)
    assert ROOT.key_pem.splitlines()[1] not in said(done)


def test_a_key_that_is_none_is_refused_and_not_shown(alone: Alone) -> None:
    alone.set_secret("caPrivateKey", "very secret words")
    done = alone.run("preview", plan=HOUSE, caCertificate=ROOT.pem)
    assert "caPrivateKey: found something else; it must be an unencrypted private key in PEM" in said(done)
    assert "very secret words" not in said(done)
