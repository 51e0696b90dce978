"""Product and lab do not import each other, so that either can be moved to a repository of its own; no part of the
product needs the operator's commands, which need no lab."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.settings import PROJECT

PRODUCT = [PROJECT / "__main__.py", *sorted((PROJECT / "components").rglob("*.py"))]
OPS = sorted((PROJECT / "ops").rglob("*.py"))
LAB = sorted((PROJECT / "lab").rglob("*.py"))


def _imported(file: Path) -> Iterator[str]:
    """The top-level packages that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize(
    ("files", "foreign"),
    [
        (PRODUCT, {"ops", "lab", "bench", "tests"}),
        (OPS, {"lab", "bench", "tests"}),
        (LAB, {"components", "ops", "bench", "tests"}),
    ],
    ids=["product", "ops", "lab"],
)
def test_no_side_imports_a_foreign_one(files: list[Path], foreign: set[str]) -> None:
    found = {str(file.relative_to(PROJECT)): foreign.intersection(_imported(file)) for file in files}
    assert len(found) > 1
    assert {name: packages for name, packages in found.items() if packages} == {}
