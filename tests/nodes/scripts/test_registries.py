"""A registries.yaml of the user's own: its meaning with our entries, and its bytes after their removal."""

import contextlib
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.nodes.script import Script
from lab import toolchain
from tests.nodes.scripts.node import CA_FILE, CONFIGS_ENTRY, HOST, MIRRORS_ENTRY, REGISTRY
from tests.nodes.scripts.registries_files import files, heaps
from tests.nodes.scripts.shells import Shell

ASIDE = b"# set aside by k3s-registry: "
PART = Script(("yaml_scan.awk", "registries_ours.awk", "registries.awk", "utf8.awk", "registries.sh")).source()
OPTION = "option() { value=; }\ndata=\n"
REFUSED = 9
OURS: dict[str, dict[str, Any]] = {
    "mirrors": {REGISTRY: {"endpoint": [f"https://{REGISTRY}"]}},
    "configs": {REGISTRY: {"tls": {"ca_file": CA_FILE}}},
}
examples = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
more_examples = settings(examples, max_examples=100)  # most of them are refused


@dataclass(frozen=True)
class Part:
    """registries.sh by itself, in one of the shells with its own awk."""

    shell: Shell
    root: Path
    wharfie: Path

    def run(self, verb: str, content: bytes, work: Path | None = None, *, take_over: bool = False) -> tuple[int, bytes]:
        """Exit status, and the file as it would be written or the reason why it is refused.

        With a directory for its temporary files, in which the answer is then left, the part runs as trust.sh calls it.
        """
        (self.root / "etc/rancher/k3s/registries.yaml").write_bytes(content)
        variables = {"root": str(self.root), "endpoints": REGISTRY, "LC_ALL": "C", "verb": verb, "work": str(work)}
        entries = {"mirrors_entry": MIRRORS_ENTRY, "configs_entry": CONFIGS_ENTRY}
        if take_over:
            variables["take_over"] = "true"
        called = "merge_registries" if work else 'print_merged "$verb"'
        done = subprocess.run(
            [*self.shell.argv, "-euc", f"{OPTION}{PART}\nfind_registries\n{called}"],
            env={"PATH": str(self.shell.tools), **variables, **entries},
            capture_output=True,
            check=False,
        )
        assert (done.stderr == b"") is (done.returncode in {0, REFUSED})
        return done.returncode, done.stdout

    def merged(self, verb: str, content: bytes, *, take_over: bool = False) -> bytes | None:
        """The file as it would be written, or None where it is refused."""
        status, text = self.run(verb, content, take_over=take_over)
        assert status in {0, REFUSED}
        return None if status else text

    def parsed_by_k3s(self, content: bytes) -> dict[str, Any] | None:
        file = self.root / "parsed.yaml"
        file.write_bytes(content)
        done = subprocess.run([self.wharfie, "parse", file], capture_output=True, check=False)
        return dict(json.loads(done.stdout)) if done.returncode == 0 else None


@pytest.fixture(scope="session")
def part(shell: Shell, tmp_path_factory: pytest.TempPathFactory) -> Part:
    root = tmp_path_factory.mktemp("root")
    (root / "etc/rancher/k3s").mkdir(parents=True)
    return Part(shell, root, toolchain.ensure(["wharfie"])["wharfie"])


def union(meaning: dict[str, Any]) -> dict[str, Any]:
    return meaning | {key: (meaning.get(key) or {}) | entry for key, entry in OURS.items()}


def by_k3s(parsed: dict[str, Any]) -> dict[str, Any]:
    """The answer of K3s's parser without its empty members."""
    return {key: dict(parsed.get(key) or {}) for key in ("mirrors", "configs")}


TAKEN = [("mirrors", REGISTRY), ("configs", REGISTRY), ("configs", HOST)]
"""What is taken over: the last one is how the guide writes it."""


def check_merge(part: Part, before: bytes, after: bytes, taken: Sequence[tuple[str, str]] = ()) -> None:
    """Check what holds for every merge, whichever entries were taken over."""
    assert part.merged("apply", after) == after
    assert part.merged("remove", after) == before
    kept = before.split(b"\n")
    left = iter(after.split(b"\n"))
    assert all(any(line == other.removeprefix(ASIDE) for other in left) for line in kept if line), (
        "foreign lines stay, in their order"
    )
    was, now = part.parsed_by_k3s(before), part.parsed_by_k3s(after)
    if was is not None:
        assert now is not None
        seen = by_k3s(now)
        assert seen["mirrors"].pop(REGISTRY)["endpoint"] == [f"https://{REGISTRY}"]
        assert CA_FILE in json.dumps(seen["configs"].pop(REGISTRY))
        expected = by_k3s(was)
        for key, name in taken:
            expected[key].pop(name, None)
        assert seen == expected


@examples
@given(files())
def test_a_merged_file_keeps_its_meaning_and_gains_our_entries(part: Part, file: tuple[dict[str, Any], bytes]) -> None:
    meaning, before = file
    assert (yaml.safe_load(before) or {}) == meaning
    after = part.merged("apply", before)
    assert after is not None
    assert yaml.safe_load(after) == union(meaning)
    check_merge(part, before, after)


@examples
@given(files([HOST, REGISTRY, "docker.io"]))
def test_entries_for_our_registry_are_taken_over_and_come_back(part: Part, file: tuple[dict[str, Any], bytes]) -> None:
    """Whatever is in them; and they stay away when takeOver is off again."""
    meaning, before = file
    after = part.merged("apply", before, take_over=True)
    assert after is not None
    for key, name in TAKEN:
        (meaning.get(key) or {}).pop(name, None)
    assert yaml.safe_load(after) == union(meaning)
    assert part.merged("apply", after, take_over=True) == after
    check_merge(part, before, after, TAKEN)


@more_examples
@given(heaps())
def test_no_mixture_of_lines_is_merged_into_something_else(part: Part, before: bytes) -> None:
    after = part.merged("apply", before)
    if after is None:
        return
    check_merge(part, before, after)
    with contextlib.suppress(yaml.YAMLError):
        meaning = yaml.safe_load(before) or {}
        assert yaml.safe_load(after) == union(meaning)


@more_examples
@given(st.binary(max_size=60) | st.text(max_size=30).map(str.encode))
def test_any_bytes_are_refused_or_restored(part: Part, before: bytes) -> None:
    after = part.merged("apply", before)
    if after is not None:
        check_merge(part, before, after)


@pytest.mark.parametrize(
    "before",
    [
        b"",
        b"\n",
        b"# only a comment",
        b"mirrors:",
        b"configs:\r\n",
        b"mirrors:\r\n  docker.io:\r\n    endpoint: []",
        b"---",
        b"other: |+\n  text\n\n",
        b"other: |\n  text",
        b"mirrors: {}",
        b"configs: null\r\n",
        b"---\nconfigs: null\nmirrors: null\n\n",
        b"mirrors:\n  ~",
        b"mirrors: # none\n\n  # yet\n  {}\nother: x\n",
        b"'configs' : { }  # k3d\nmirrors:\n    a: {}\n",
        b"{}",
        b"---\n~ # nothing\n",
        b"{}\n...\n",
        b"---\nmirrors:\n  a: {}\n...\n# no more",
        b"other: |\n  text\n...\r\n",
    ],
)
def test_the_ends_of_a_file_are_restored(part: Part, before: bytes) -> None:
    after = part.merged("apply", before)
    assert after is not None
    assert yaml.safe_load(after) == union(yaml.safe_load(before) or {})
    check_merge(part, before, after)


ADDED = b"mirrors: # k3s-registry\n"
FILLED = ADDED + b"  a: {}\n"


@pytest.mark.parametrize(
    ("before", "added", "left"),
    [
        (b"mirrors: {}\n", (ADDED, FILLED), b"mirrors:\n  a: {}\n"),
        (b"mirrors:\n  ~\n", (ADDED, FILLED), b"mirrors:\n  a: {}\n"),
        (b"'mirrors' : ~\n", (ADDED, FILLED), b"mirrors:\n  a: {}\n"),
        (b"{}\n", (ASIDE, b"other: x\n" + ASIDE), b"other: x\n"),
    ],
)
def test_an_empty_value_stays_away_where_the_user_has_filled_its_place(
    part: Part, before: bytes, added: tuple[bytes, bytes], left: bytes
) -> None:
    after = part.merged("apply", before)
    assert after is not None
    filled = after.replace(*added, 1)
    assert filled != after
    assert part.merged("remove", filled) == left
    again = part.merged("apply", filled)
    assert again is not None
    check_merge(part, left, again)


@pytest.mark.parametrize("content", [b"mirrors:\n", b"mirrors: []\n"])
def test_a_full_disk_is_neither_a_merge_nor_a_refusal(part: Part, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "registries").symlink_to("/dev/full")
    status, _ = part.run("apply", content, tmp_path)
    assert status not in {0, REFUSED}
