import base64
import re

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

from .deployed import Deployed
from .node_files import containing

pytestmark = pytest.mark.lab
SCALAR_BYTES = 32
SECRET_PART_BYTES = 8


@pytest.fixture(scope="module")
def needles(deployed: Deployed) -> list[bytes]:
    """Text that tells a private key of the stack: lines of each PEM form, and each form in base64 as in a Secret."""
    state = deployed.program.engine.run(
        ["stack", "export", "--show-secrets", "--stack", "dev"],
        netns=deployed.program.lab.lan_namespace_path,
        capture=True,
    ).stdout
    # The state quotes what was quoted before: one line break may be written with one or two backslashes.
    text = state.replace("\\\\n", "\n").replace("\\n", "\n")
    forms = set(
        re.findall(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\n.*?\n-----END [A-Z ]*PRIVATE KEY-----\n", text, re.DOTALL)
    )
    found: set[str] = set()
    keys: set[int] = set()
    for pem in forms:
        kind = load_ssh_private_key if "OPENSSH" in pem else load_pem_private_key
        key = kind(pem.encode(), password=None)
        assert isinstance(key, EllipticCurvePrivateKey)
        number = key.private_numbers().private_value
        keys.add(number)
        found.update(telling_lines(pem, number.to_bytes(SCALAR_BYTES, "big")))
        found.add(base64.b64encode(pem.encode()).decode()[:100])
    assert len(keys) == len(("authority", "server")), "each has a key of its own"
    assert len(found) >= 2 * len(forms), "each form is told by a line and by its base64"
    return [needle.encode() for needle in sorted(found)]


def telling_lines(pem: str, secret: bytes) -> list[str]:
    """Lines that hold a good part of the secret number: the others may hold the public key, which is everywhere."""
    parts = [secret[start : start + SECRET_PART_BYTES] for start in range(len(secret) - SECRET_PART_BYTES + 1)]
    return [
        line
        for line in pem.splitlines()[1:-1]
        if any(part in base64.b64decode(line + "=" * (-len(line) % 4)) for part in parts)
    ]


def test_no_private_key_lies_in_any_file_of_a_node(deployed: Deployed, needles: list[bytes]) -> None:
    found = {name: containing(machine, needles) for name, machine in deployed.program.machines.items()}
    assert found == {name: [] for name in found}


def test_no_private_key_was_printed(deployed: Deployed, needles: list[bytes]) -> None:
    printed = "\n".join(deployed.program.printed).encode()
    assert printed, "the runs before must have left something to search"
    assert [needle for needle in needles if needle in printed] == []


def test_no_private_key_is_in_a_journal(deployed: Deployed, needles: list[bytes]) -> None:
    for name, machine in deployed.program.machines.items():
        journal = machine.run(["journalctl", "--no-pager", "-o", "cat"]).stdout.encode()
        assert [needle for needle in needles if needle in journal] == [], name


def test_no_private_key_is_in_the_state_unencrypted(deployed: Deployed, needles: list[bytes]) -> None:
    files = [path for path in deployed.program.engine.backend.rglob("*") if path.is_file()]
    assert files
    leaking = [path.name for path in files for needle in needles if needle in path.read_bytes()]
    assert leaking == []


def test_no_private_key_is_in_a_config_map(deployed: Deployed, needles: list[bytes]) -> None:
    maps = deployed.program.kubectl("get", "configmaps", "-A", "-o", "yaml").encode()
    assert [needle for needle in needles if needle in maps] == []
