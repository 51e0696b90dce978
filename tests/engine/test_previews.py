"""Previews of every kind of change: a reviewer reads in them, per node, what changes, and no blobs.

`previews/NAME.txt` hold what the CLI says. K3S_REGISTRY_WRITE_PREVIEWS=1 writes them anew: read their diff.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from lab.tests.stand_ins import engine_with_stand_ins
from tests.engine.previewing import DeployedStack

pytestmark = pytest.mark.engine

PREVIEWS: Final = Path(__file__).with_name("previews")
WRITE: Final = "K3S_REGISTRY_WRITE_PREVIEWS"
KEY: Final = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAIYTmCDS9yBFtUwrIBkpXFNROkADmnmq4xbW1+NUncN"
EVERYWHERE: Final = ("control01", "cube01")
BLOB: Final = re.compile(r"[A-Za-z0-9+/=]{80,}")
LONGEST: Final = 240


def lines(text: str, *nodes: str) -> dict[str, str]:
    """The line that each of these nodes' trust must show."""
    return dict.fromkeys((f"{node}-trust" for node in nodes), text)


CHANGES: Final[dict[str, tuple[dict[str, Any], dict[str, str]]]] = {
    "address": ({"ip": "10.77.0.203"}, lines("+ address=10.77.0.203", *EVERYWHERE)),
    "alias": (
        {"aliases": ["registry", "images"]},
        lines("+ names='registry.cube.local registry images'", *EVERYWHERE),
    ),
    "node-added": (
        {"nodes.cube02": {"host": "10.77.0.13", "hostKey": KEY, "user": "pi"}},
        lines(r"node=cube02\nreached_by='ssh pi@10.77.0.13 -p 22 SHA256:", "cube02"),
    ),
    "node-removed": ({"nodes.cube01": None}, lines("(delete)", "cube01")),
    "node-moved": ({"nodes.cube01.host": "10.77.0.19"}, lines("+ reached_by='ssh root@10.77.0.19 -p 22", "cube01")),
    "host-key": ({"nodes.cube01.hostKey": KEY}, lines("+ reached_by='ssh root@10.77.0.12 -p 22", "cube01")),
    "authority-added": (
        {"certificates.authorities": ["one", "two", "three"]},
        {"registry-certificates-authority-three": 'commonName  : "Registry CA three"'}
        | lines("=> [unknown]", *EVERYWHERE),
    ),
    "issuer": ({"certificates.issuer": "two"}, {"registry-certificates-server": "~ caPrivateKeyPem: [secret]"}),
    "image": ({"image": "registry:3.0.0"}, {"registry-server-deployment": '~ image: "registry:3" => "registry:3.0.0"'}),
    "size": ({"storage.size": "2Gi"}, {"registry-server-claim": '~ storage: "1Gi" => "2Gi"'}),
    "clean-up": ({"cleanup": {"schedule": "0 3 * * *"}}, {"registry-cleanup-schedule": '"0 3 * * *"'}),
}
"""Kind of change: the changed keys, and for each resource the words that say what becomes of it."""

QUICK: Final = {"address", "node-added", "node-moved"}
"""Kinds that `make test` previews too: each takes two seconds."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedStack]:
    """One deployed stack for all: a preview changes nothing."""
    made = DeployedStack.create(
        engine_with_stand_ins(tmp_path_factory.mktemp("previews")), tmp_path_factory.mktemp("stack")
    )
    yield made
    made.close()


def block(text: str, resource: str) -> str:
    """The part of a preview that concerns one resource."""
    parts = re.split(r"^(?= {4}\S.*: \(\w+\)$)", text, flags=re.MULTILINE)
    return next((part for part in parts if f"::{resource}]" in part), "")


@pytest.mark.parametrize(
    "kind", [kind if kind in QUICK else pytest.param(kind, marks=pytest.mark.long) for kind in CHANGES]
)
def test_a_reviewer_reads_what_changes(stack: DeployedStack, kind: str) -> None:
    changes, shown = CHANGES[kind]
    text, file = stack.diff(changes), PREVIEWS / f"{kind}.txt"
    assert {name: words for name, words in shown.items() if words not in block(text, name)} == {}
    assert [line for line in text.splitlines() if BLOB.search(line) or len(line) > LONGEST] == []
    if os.environ.get(WRITE):
        file.write_text(text)
    assert text == file.read_text(), f"if this is what a reviewer shall read, write {file.name} anew: {WRITE}=1"


@pytest.mark.long
def test_scripts_of_another_version_are_one_short_line(stack: DeployedStack) -> None:
    former = stack.of_another_version()
    former.load()
    changed = [line for line in former.diff({}).splitlines() if re.match(r" +[+-] ", line)]
    stack.load()
    assert {line.split("=")[0].split()[-1] for line in changed} == {"script"}
    assert max(map(len, changed)) <= LONGEST


def test_no_change_is_shown_as_none(stack: DeployedStack) -> None:
    assert stack.diff({}).splitlines()[-2:] == ["Resources:", "    23 unchanged"]
