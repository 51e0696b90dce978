"""Secret values of the configuration: which keys must be secret, and that no error shows one."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from components.config.parse import parse
from tests.config.stack_configs import ED25519, SMALLEST, problems, with_value


def test_a_secret_key_in_plain_text_is_refused_and_not_shown() -> None:
    [problem] = problems(with_value("sshPrivateKey", "very secret words"))
    assert "must be a secret" in problem
    assert "very secret" not in problem


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("auth", "very secret words"),
        ("auth", {"users": "very secret words"}),
        ("auth", {"users": [{"alice": "very secret words"}]}),
        ("cache", [{"docker.io": {"password": "very secret words"}}]),
        ("cache", {"docker.io": ["very secret words"]}),
        ("storage", ["very secret words"]),
        ("storage", {"s3": ["very secret words"]}),
        ("storage", {"s3": {"secretKey": ["very secret words"]}}),
    ],
)
def test_a_secret_below_a_value_of_the_wrong_shape_is_not_shown(key: str, value: object) -> None:
    found = problems(with_value(key, value))
    assert found
    assert "very secret" not in "".join(found)


def test_an_encrypted_key_is_accepted() -> None:
    assert parse(with_value("sshPrivateKey", "very secret words"), encrypted=["sshPrivateKey"])


@pytest.mark.parametrize("form", [PrivateFormat.OpenSSH, PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8])
def test_a_private_key_with_a_passphrase_is_refused_and_not_shown(form: PrivateFormat) -> None:
    def pem(encryption: KeySerializationEncryption) -> str:
        return generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, form, encryption).decode()

    key = pem(BestAvailableEncryption(b"secret"))
    [problem] = problems(with_value("sshPrivateKey", key), encrypted=["sshPrivateKey"])
    assert problem.startswith("sshPrivateKey: found a value that is not shown; it must have no passphrase")
    assert key[40:60] not in problem
    assert parse(with_value("sshPrivateKey", pem(NoEncryption())), encrypted=["sshPrivateKey"])


def test_an_encrypted_value_of_any_key_is_not_shown() -> None:
    [problem] = problems(with_value("hostname", "very secret words"), encrypted=["hostname"])
    assert "very secret" not in problem


@pytest.mark.parametrize(
    ("values", "encrypted"),
    [
        ({"hostname": "hidden", "aliases": ["hidden"]}, "hostname"),
        ({"aliases": ["hidden", "hidden"]}, "aliases"),
        ({"ip": "10.9.8.7", "nodes": {"cube01": {"host": "10.9.8.7", "hostKey": ED25519}}}, "ip"),
        ({"ip": "10.9.8.7", "nodes": {"cube01": {"host": "10.9.8.7", "hostKey": ED25519}}}, "nodes"),
        ({"certificates": {"authorities": ["hidden", "other"]}}, "certificates"),
        ({"certificates": {"authorities": ["hidden"], "issuer": "other"}}, "certificates"),
        ({"certificates": {"external": "hidden"}}, "certificates"),
        ({"certificates": {"authorities": ["hidden"], "external": "hidden"}}, "certificates"),
        ({"certificates": {"serverDays": 357, "authorityYears": 10, "renewDays": 373}}, "certificates"),
        ({"certificates": {"serverDays": 373, "authorityYears": 1, "renewDays": 357}}, "certificates"),
    ],
)
def test_a_rule_between_keys_does_not_show_an_encrypted_value(values: dict[str, Any], encrypted: str) -> None:
    found = problems({**SMALLEST, **values}, encrypted=[encrypted])
    for value in ("hidden", "10.9.8.7", "357", "373"):
        assert not any(value in problem for problem in found)
