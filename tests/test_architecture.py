"""Imports between the wings of `components/` point one way, so that no wing depends on one above it."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

COMPONENTS = Path(__file__).parents[1] / "components"
LONGEST, LONGEST_PROGRAM = 250, 40
"""Lines of a file that a reader still takes in."""
FLOORS = (("certificates",), ("config",), ("registry", "nodes"), ("outputs",), ("registry_stack",))
"""The wings from the lowest floor up: a wing may import from the floors below, never from its own floor."""


def floor_of(wing: str) -> int:
    """The floor that a wing is on."""
    return next(floor for floor, wings in enumerate(FLOORS) if wing in wings)


def wing_of(path: Path, components: Path) -> str:
    """The wing that a file belongs to: its directory, or the module itself at the top."""
    return path.relative_to(components).parts[0].removesuffix(".py")


def files(components: Path) -> list[Path]:
    """Every module of the product."""
    return sorted(path for path in components.rglob("*.py") if path != components / "__init__.py")


def imported_wings(source: str) -> Iterator[str]:
    """The wings that a source file imports, in any form and at any depth of the code."""
    for statement in ast.walk(ast.parse(source)):
        if isinstance(statement, ast.Import):
            names = [alias.name for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom) and not statement.level:
            names = [f"{statement.module}.{alias.name}" for alias in statement.names]
        else:
            continue
        yield from (name.split(".")[1] for name in names if name.startswith("components."))


def forbidden_imports(components: Path) -> list[str]:
    """Every import of another wing that is not on a lower floor, and every relative import, which hides its wing."""
    found = []
    for path in files(components):
        wing, source = wing_of(path, components), path.read_text(encoding="utf-8")
        found += [
            f"{wing} imports {other}"
            for other in imported_wings(source)
            if other != wing and floor_of(other) >= floor_of(wing)
        ]
        found += [
            f"{wing} imports relatively"
            for statement in ast.walk(ast.parse(source))
            if isinstance(statement, ast.ImportFrom) and statement.level
        ]
    return found


def test_every_module_belongs_to_a_wing() -> None:
    assert {wing_of(path, COMPONENTS) for path in files(COMPONENTS)} == {wing for wings in FLOORS for wing in wings}


def test_imports_between_wings_point_down() -> None:
    assert forbidden_imports(COMPONENTS) == []


@pytest.mark.parametrize(
    ("file", "source", "found"),
    [
        ("certificates/plan.py", "from components.config.parse import parse", ["certificates imports config"]),
        ("certificates/plan.py", "from components.config import rules", ["certificates imports config"]),
        ("certificates/plan.py", "from components import config", ["certificates imports config"]),
        ("certificates/plan.py", "from ..config import rules", ["certificates imports relatively"]),
        ("config/model.py", "def later():\n    import components.nodes.trust", ["config imports nodes"]),
        ("nodes/trust.py", "from components.registry.registry import Registry", ["nodes imports registry"]),
        ("outputs.py", "from components.registry_stack import RegistryStack", ["outputs imports registry_stack"]),
        ("nodes/proof.py", "import pulumi\nfrom components.nodes import trust", []),
        ("config/model.py", "from components.certificates.plan import CertificatePlan", []),
    ],
)
def test_the_check_finds_every_form_of_an_upward_import(
    tmp_path: Path, file: str, source: str, found: list[str]
) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(source)
    assert forbidden_imports(tmp_path) == found


def test_no_file_of_the_product_is_long() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files(COMPONENTS)}
    assert {path.name: length for path, length in lengths.items() if length > LONGEST} == {}


def test_the_program_itself_is_short() -> None:
    assert len((COMPONENTS.parent / "__main__.py").read_text(encoding="utf-8").splitlines()) <= LONGEST_PROGRAM


def test_kinds_that_a_stack_does_not_have_are_not_imported() -> None:
    """The Kubernetes SDK's types for them take a tenth of a second of every command."""
    listing = "import sys, components.registry_stack; print(*[m for m in sys.modules if m.startswith('pulumi_kube')])"
    done = subprocess.run(
        [sys.executable, "-c", listing], cwd=COMPONENTS.parent, capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[1] for name in done.stdout.split() if name.endswith(".v1")}
    assert loaded == {"apps", "core", "meta"}
