"""CONTRIBUTING's map of `components/` is held against the directory."""

import re
from collections import Counter
from pathlib import Path

PROJECT = Path(__file__).parent.parent
COMPONENTS = PROJECT / "components"
ENTRY = re.compile(r"^- `([\w./-]+)`: \S", re.MULTILINE)
NOT_IN_THE_MAP = {"__init__.py"}


def mapped() -> Counter[str]:
    """How often the map lists each file."""
    page = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = page.partition("\n## Map of `components/`\n")[2].partition("\n## ")[0]
    return Counter(ENTRY.findall(section))


def present() -> set[str]:
    """The files of `components/`."""
    return {
        path.relative_to(COMPONENTS).as_posix()
        for path in COMPONENTS.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name not in NOT_IN_THE_MAP
    }


def test_the_map_lists_every_file() -> None:
    assert sorted(present() - set(mapped())) == [], "add a line to CONTRIBUTING.md"


def test_the_map_lists_no_file_that_does_not_exist() -> None:
    assert sorted(set(mapped()) - present()) == [], "remove or correct the line in CONTRIBUTING.md"


def test_the_map_lists_each_file_once() -> None:
    assert [name for name, count in mapped().items() if count > 1] == []
