import json
import re

import pytest

from .deployed import Deployed
from .node_files import containing

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def needles(deployed: Deployed) -> list[bytes]:
    """A line out of the middle of every private key of the stack, plain and in base64 as a Secret holds it."""
    state = deployed.program.engine.run(
        ["stack", "export", "--show-secrets", "--stack", "dev"],
        netns=deployed.program.lab.lan_namespace_path,
        capture=True,
    ).stdout
    keys = set(re.findall(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\\n(.*?)-----END", json.dumps(json.loads(state))))
    lines = {
        line for key in keys for line in key.replace("\\\\n", "\n").replace("\\n", "\n").split("\n") if len(line) > 40
    }
    assert len(lines) >= 4, "authority and server have a key each, of two lines or more"
    return [line.encode() for line in sorted(lines)]


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
