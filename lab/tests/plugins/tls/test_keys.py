import asyncio
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_pem_public_key,
    load_ssh_private_key,
    load_ssh_public_key,
)

from lab.plugins.tls.provider import TlsProvider
from lab.tests.plugins.calls import check, create, created

KIND = "tls:index/privateKey:PrivateKey"
ALGORITHMS = [
    {"algorithm": "RSA"},
    {"algorithm": "RSA", "rsaBits": 3072},
    {"algorithm": "ECDSA", "ecdsaCurve": "P256"},
    {"algorithm": "ECDSA", "ecdsaCurve": "P384"},
    {"algorithm": "ECDSA", "ecdsaCurve": "P521"},
    {"algorithm": "ED25519"},
]


def new_key(**inputs: Any) -> dict[str, Any]:
    return created(TlsProvider(), KIND, inputs)


@pytest.fixture(scope="module", params=ALGORITHMS, ids=lambda inputs: "-".join(map(str, inputs.values())))
def key(request: pytest.FixtureRequest) -> dict[str, Any]:
    return new_key(**request.param)


def test_every_encoding_of_a_private_key_holds_the_same_key(key: dict[str, Any]) -> None:
    public = load_pem_public_key(key["publicKeyPem"].encode())
    assert load_pem_private_key(key["privateKeyPem"].encode(), None).public_key() == public
    assert load_pem_private_key(key["privateKeyPemPkcs8"].encode(), None).public_key() == public
    assert load_ssh_private_key(key["privateKeyOpenssh"].encode(), None).public_key() == public
    assert load_ssh_public_key(key["publicKeyOpenssh"].encode()) == public


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="openssh-client is not installed")
@pytest.mark.parametrize(("hash_name", "output"), [("md5", "Md5"), ("sha256", "Sha256")])
def test_fingerprints_are_those_of_ssh_keygen(key: dict[str, Any], tmp_path: Path, hash_name: str, output: str) -> None:
    public = tmp_path / "key.pub"
    public.write_text(key["publicKeyOpenssh"])
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-E", hash_name, "-f", public], capture_output=True, text=True, check=True
    )
    assert shown.stdout.split()[1].removeprefix("MD5:") == key[f"publicKeyFingerprint{output}"]


def test_an_rsa_key_has_2048_bits_unless_said_otherwise() -> None:
    key = load_pem_private_key(new_key(algorithm="RSA")["privateKeyPem"].encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    assert key.key_size == 2048


def test_an_ecdsa_key_is_on_p224_unless_said_otherwise() -> None:
    key = load_pem_private_key(new_key(algorithm="ECDSA")["privateKeyPem"].encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.curve.name == "secp224r1"


def test_a_p224_key_has_no_openssh_form() -> None:
    key = new_key(algorithm="ECDSA", ecdsaCurve="P224")
    assert [key[name] for name in ("privateKeyOpenssh", "publicKeyOpenssh", "publicKeyFingerprintSha256")] == [""] * 3


@pytest.mark.parametrize(
    ("inputs", "header"),
    [
        ({"algorithm": "RSA"}, "-----BEGIN RSA PRIVATE KEY-----"),
        ({"algorithm": "ECDSA"}, "-----BEGIN EC PRIVATE KEY-----"),
        ({"algorithm": "ED25519"}, "-----BEGIN PRIVATE KEY-----"),
    ],
)
def test_the_pem_form_is_the_traditional_one_of_the_algorithm(inputs: dict[str, Any], header: str) -> None:
    assert new_key(**inputs)["privateKeyPem"].startswith(header)


def test_private_forms_are_secret_though_nothing_asked_for_it() -> None:
    answer = asyncio.run(create(TlsProvider(), KIND, {"algorithm": "ED25519"}))
    assert answer.secret == {("privateKeyPem",), ("privateKeyPemPkcs8",), ("privateKeyOpenssh",)}


def test_two_keys_are_never_the_same() -> None:
    assert new_key(algorithm="ED25519")["publicKeyPem"] != new_key(algorithm="ED25519")["publicKeyPem"]


def test_an_unknown_algorithm_is_refused_with_the_known_ones() -> None:
    _, failures = asyncio.run(check(TlsProvider(), KIND, {"algorithm": "DSA"}))
    assert failures == {
        "algorithm": "Invalid Attribute Value Match. Attribute algorithm value must be one of: "
        '["RSA" "ECDSA" "ED25519"], got: "DSA"'
    }


def test_an_unknown_curve_is_refused() -> None:
    _, failures = asyncio.run(check(TlsProvider(), KIND, {"algorithm": "ECDSA", "ecdsaCurve": "P255"}))
    assert list(failures) == ["ecdsaCurve"]
