from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from ops import interview
from ops.failure import OpsError
from ops.interview import Interview, labels, private_key


def ip(text: str) -> dict[str, str]:
    return {"ip": text}


def test_a_wrong_answer_is_asked_again_with_the_parsers_rule(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter(["", "192.168.0.2O2", "192.168.0.9", "192.168.0.202"])
    monkeypatch.setattr(interview, "_asked", lambda *_: next(answers))
    asking = Interview(flags={}, asks=True)
    asking.answer("ip", "the address", ip, rule=lambda text: "found a taken one" if text.endswith(".9") else None)
    assert asking.values == {"ip": "192.168.0.202"}
    empty, wrong, taken = capsys.readouterr().err.splitlines()
    assert empty.strip() == "it must not be empty"
    assert wrong.strip().startswith("ip: found '192.168.0.2O2'; it must be an IPv4 or IPv6 address")
    assert taken.strip() == "found a taken one"


def test_a_wrong_option_is_refused_and_named() -> None:
    with pytest.raises(OpsError, match=r"--ip is refused \(ip: found 'x'; it must be"):
        Interview(flags={"ip": "x"}, asks=True).answer("ip", "the address", ip)


def test_without_anybody_to_ask_the_suggestion_is_the_answer() -> None:
    assert Interview(flags={}, asks=False).answer("ip", "the address", ip, default="192.168.0.2") == "192.168.0.2"


def test_without_a_suggestion_the_option_is_required() -> None:
    with pytest.raises(OpsError, match="--ip is required: the address"):
        Interview(flags={"ip": None}, asks=False).answer("ip", "the address", ip)


def test_a_private_key_with_a_passphrase_is_refused_and_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "key"
    encrypted = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")
    )
    file.write_bytes(encrypted)
    with pytest.raises(OpsError, match="it must have no passphrase") as refused:
        Interview(flags={"ssh-key": str(file)}, asks=True).answer("ssh-key", "the key", private_key)
    assert encrypted.decode().splitlines()[1] not in str(refused.value)


def test_a_private_key_from_a_file_is_accepted_as_the_secret_that_it_becomes(tmp_path: Path) -> None:
    file = tmp_path / "key"
    plain = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    file.write_bytes(plain)
    asking = Interview(flags={"ssh-key": str(file)}, asks=True)
    asking.answer("ssh-key", "the key", private_key)
    assert asking.values == {"sshPrivateKey": plain.decode()}


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(OpsError, match=r"--ssh-key is refused \(found .*; it must be a file that can be read"):
        Interview(flags={"ssh-key": str(tmp_path)}, asks=True).answer("ssh-key", "the key", private_key)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "program").write_bytes(b"\xd0")
    with pytest.raises(OpsError, match=r"--ssh-key is refused \(found .*, which is no text; it must be the file of"):
        Interview(flags={"ssh-key": str(tmp_path / "program")}, asks=True).answer("ssh-key", "the key", private_key)


@pytest.mark.parametrize("text", ["a", "=b", "a=b,c", ""])
def test_labels_are_pairs(text: str) -> None:
    with pytest.raises(ValueError, match="NAME=VALUE"):
        labels(text)


def test_several_labels_are_separated_by_commas() -> None:
    assert labels("node-type=worker, disk=ssd") == {"node-type": "worker", "disk": "ssd"}
