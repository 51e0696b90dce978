"""Whether certificates and a key from elsewhere can serve as an issuer; `test_external` brings them into a stack."""

import datetime as dt
import ssl
from itertools import repeat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from components.certificates.external import ExternalAuthority, judge, key_problem
from tests.authority import Authority

from .authorities import BELOW, NOW, ROOT, authority, key_usage
from .files import tool

IMPOSTOR = authority("house root")
RSA_ROOT = authority("rsa root", key=rsa.generate_private_key(public_exponent=65537, key_size=2048))
P384_ROOT = authority("P-384 root", key=ec.generate_private_key(ec.SECP384R1()))
# Some certificates hold what is no longer allowed; reading them must not fail.
MAY_WARN = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")


def judged(*chain: Authority) -> ExternalAuthority | str:
    return judge("house", "".join(one.pem for one in chain))


@pytest.mark.parametrize(
    "chain",
    [
        [ROOT],
        [BELOW, ROOT],
        [authority("deep", BELOW), BELOW, ROOT],
        [RSA_ROOT],
        [P384_ROOT],
        [authority("with usage", extensions=[key_usage(signs=True)])],
    ],
    ids=["a root", "one below it", "two below it", "RSA", "P-384", "with keyUsage"],
)
def test_a_chain_up_to_its_root_is_an_authority(chain: list[Authority]) -> None:
    external = judged(*chain)
    assert isinstance(external, ExternalAuthority)
    assert external.generation == "house"
    assert external.chain == tuple(one.pem for one in chain)


def test_an_authority_ends_with_the_first_of_its_chain_to_end() -> None:
    short = authority("short root", days=30)
    external = judged(authority("services", short, days=90), short)
    assert isinstance(external, ExternalAuthority)
    assert external.not_after == (NOW + dt.timedelta(days=30)).replace(microsecond=0)


@pytest.mark.parametrize(
    ("chain", "reason"),
    [
        ([BELOW], "certificate 1 is the last one, but not signed by itself"),
        ([ROOT, BELOW], "certificate 1 is not signed by the next one"),
        ([BELOW, authority("another root")], "certificate 1 is not signed by the next one"),
        ([BELOW, IMPOSTOR], "certificate 1 is not signed by the next one: the names match, the key does not"),
        (
            [authority("deep", BELOW), BELOW, IMPOSTOR],
            "certificate 2 is not signed by the next one: the names match, the key does not",
        ),
        (
            [authority("false root", ROOT, issuer="false root")],
            "certificate 1 is the last one, but not signed by itself: the names match, the key does not",
        ),
        (
            [authority("server", ca=False)],
            "certificate 1 may not sign others: its basicConstraints say CA:FALSE",
        ),
        ([authority("old", ca=None)], "certificate 1 may not sign others: it has no basicConstraints"),
        (
            [authority("signs nothing", extensions=[key_usage(signs=False)])],
            "certificate 1 may not sign others: its keyUsage lacks keyCertSign",
        ),
        (
            [(server := authority("between", ROOT, ca=False)), ROOT],
            "certificate 1 may not sign others",
        ),
        ([authority("deep", server), server, ROOT], "certificate 2 may not sign others"),
        ([authority("ended", days=-1, since=-9)], f"certificate 1 ended on {NOW - dt.timedelta(days=1):%Y-%m-%d}"),
        ([authority("early", since=1)], f"certificate 1 is not valid before {NOW + dt.timedelta(days=1):%Y-%m-%d}"),
        (
            [authority("services", (ended := authority("ended root", days=-1, since=-9))), ended],
            "certificate 2 ended on",
        ),
    ],
    ids=[
        "without its root",
        "turned round",
        "the root of another",
        "the root's name by another key",
        "the root's name by another key, further up",
        "a root that another key signed",
        "not an authority",
        "without basicConstraints",
        "keyUsage without keyCertSign",
        "not an authority, below a root",
        "not an authority, further up",
        "ended",
        "not yet valid",
        "a root that has ended",
    ],
)
def test_a_chain_that_cannot_sign_is_refused_with_the_reason(chain: list[Authority], reason: str) -> None:
    found = judged(*chain)
    assert isinstance(found, str)
    assert found.startswith(reason)


@pytest.mark.parametrize(
    ("bundle", "reason"),
    [
        ("", "holds no certificate in PEM that can be read"),
        ("no certificate", "holds no certificate in PEM that can be read"),
        (ROOT.pem[:90] + ROOT.pem[-26:], "holds no certificate in PEM that can be read"),
        (ROOT.pem + ssl.DER_cert_to_PEM_cert(b"not DER"), "certificate 2 cannot be read"),
        (ROOT.pem + ROOT.key_pem, "found a private key in it"),
    ],
    ids=["empty", "no PEM", "cut out of the middle", "no certificate inside", "with its key"],
)
def test_a_bundle_that_cannot_be_read_is_refused(bundle: str, reason: str) -> None:
    assert judge("house", bundle) == reason


def sha1_root(directory: Path) -> tuple[str, Path, Path]:
    """A root that signed itself by SHA-1, as old ones did, with the paths of its certificate and key."""
    certificate, key = directory / "old.crt", directory / "old.key"
    done = tool(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha1", "-subj", "/CN=old root"),
        *("-days", "3000", "-keyout", key, "-out", certificate),
    )
    assert done.returncode == 0, done.stderr
    return certificate.read_text(), certificate, key


def test_a_root_may_have_signed_itself_by_sha1(tmp_path: Path) -> None:
    pem, _, _ = sha1_root(tmp_path)
    assert isinstance(judge("house", pem), ExternalAuthority)


def test_a_certificate_that_a_root_signed_by_sha1_is_refused(tmp_path: Path) -> None:
    pem, certificate, key = sha1_root(tmp_path)
    done = tool(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha1", "-subj", "/CN=old services"),
        *("-days", "300", "-CA", certificate, "-CAkey", key, "-keyout", tmp_path / "key"),
    )
    assert done.returncode == 0, done.stderr
    assert judge("house", done.stdout + pem) == "certificate 1 is signed by an algorithm that clients do not accept"


@MAY_WARN
@given(st.integers(min_value=0, max_value=len(ssl.PEM_cert_to_DER_cert(ROOT.pem)) - 1), st.integers(1, 255))
def test_a_certificate_with_one_wrong_byte_is_never_an_authority(position: int, change: int) -> None:
    content = bytearray(ssl.PEM_cert_to_DER_cert(ROOT.pem))
    content[position] ^= change
    assert isinstance(judge("house", ssl.DER_cert_to_PEM_cert(bytes(content))), str)


def test_a_signature_with_unused_bits_is_never_an_authority() -> None:
    """The one wrong byte that is easily missed: it is accepted by `cryptography` where the last bit is zero."""
    even = next(one for one in map(authority, repeat("even")) if one.certificate.signature[-1] % 2 == 0)
    content = bytearray(even.certificate.public_bytes(serialization.Encoding.DER))
    content[-len(even.certificate.signature) - 1] = 1
    assert judge("house", ssl.DER_cert_to_PEM_cert(bytes(content))) == "certificate 1 cannot be read"


def key_in(authority: Authority, form: serialization.PrivateFormat, passphrase: str = "") -> str:
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase.encode())
    return authority.key.private_bytes(serialization.Encoding.PEM, form, encryption).decode()


@pytest.mark.parametrize("form", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize("signer", [ROOT, RSA_ROOT, P384_ROOT], ids=["P-256", "RSA", "P-384"])
def test_the_key_of_the_certificate_is_accepted(signer: Authority, form: serialization.PrivateFormat) -> None:
    assert key_problem(key_in(signer, form), signer.pem) is None
    assert key_problem(f"\n{key_in(signer, form)}\n".replace("\n", "\r\n"), signer.pem) is None


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("very secret words", "found no private key in PEM"),
        (BELOW.key_pem, "found another key"),
        (RSA_ROOT.key_pem, "found an RSA key, but the certificate is for an EC key (secp256r1)"),
        (P384_ROOT.key_pem, "found an EC key (secp384r1), but the certificate is for an EC key (secp256r1)"),
        (ROOT.key_pem[:60], "found a private key that cannot be read"),
        (ROOT.pem, "found CERTIFICATE"),
        (ROOT.key_pem + ROOT.pem, "found several PEM blocks (PRIVATE KEY, CERTIFICATE)"),
        (ROOT.key_pem + RSA_ROOT.key_pem, "found several PEM blocks (PRIVATE KEY, PRIVATE KEY)"),
        ("Bag Attributes\n" + ROOT.key_pem, "found other text before PRIVATE KEY"),
        (key_in(ROOT, serialization.PrivateFormat.PKCS8, "passphrase"), "found an encrypted private key"),
        (key_in(ROOT, serialization.PrivateFormat.TraditionalOpenSSL, "passphrase"), "found an encrypted private key"),
        (key_in(ROOT, serialization.PrivateFormat.OpenSSH), "found OPENSSH PRIVATE KEY"),
        ("-----BEGIN SECRET WORDS-----", "found another PEM block"),
    ],
    ids=[
        "no PEM",
        "another's",
        "another kind",
        "another curve",
        "cut off",
        "a certificate",
        "with its certificate",
        "two keys",
        "with text before it",
        "encrypted",
        "encrypted in the old form",
        "in the form of OpenSSH",
        "a label that may be secret",
    ],
)
def test_a_key_that_does_not_fit_is_refused_with_the_reason(key: str, reason: str) -> None:
    assert key_problem(key, ROOT.pem) == reason


@given(st.integers(min_value=0, max_value=len(ROOT.key_pem) - 1), st.characters())
def test_a_key_with_one_wrong_character_is_refused_and_not_shown(position: int, character: str) -> None:
    wrong = ROOT.key_pem[:position] + character + ROOT.key_pem[position + 1 :]
    reason = key_problem(wrong, ROOT.pem)
    secret = "".join(ROOT.key_pem.splitlines()[1:-1])
    assert all(secret[start : start + 6] not in (reason or "") for start in range(len(secret) - 5))
