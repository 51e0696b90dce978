"""Imports between the wings of `components/` point one way, so that no wing depends on one above it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

COMPONENTS = Path(__file__).parents[1] / "components"
FLOORS = (("certificates",), ("config",), ("registry", "nodes"), ("outputs",), ("registry_stack",))
"""The wings from the lowest floor up: a wing may import from the floors below, never from its own floor."""
WINGS = {
    "registry_stack": ("registry_stack",),
    "outputs": ("outputs",),
    "nodes": ("node", "probe_image", "pull_proof", "unlisted", "unreachable"),
    "registry": ("registry",),
    "config": ("config",),
    "certificates": ("authority", "certificate", "external", "handshake", "notices", "rotation"),
}
"""How the names of a wing's modules begin; the first match counts."""


def wing_of(module: str) -> str | None:
    """The wing that a module belongs to; None if it belongs to none."""
    return next((wing for wing, beginnings in WINGS.items() if module.startswith(beginnings)), None)


def floor_of(module: str) -> int:
    """The floor that a module's wing is on."""
    return next(floor for floor, wings in enumerate(FLOORS) if wing_of(module) in wings)


def imported_modules(source: str) -> Iterator[str]:
    """The modules of `components` that a source file imports, in any form and at any depth of the code."""
    for statement in ast.walk(ast.parse(source)):
        if isinstance(statement, ast.Import):
            names = [alias.name for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom):
            origin = "components." * bool(statement.level) + (statement.module or "")
            names = [f"{origin.rstrip('.')}.{alias.name}" for alias in statement.names]
        else:
            continue
        yield from (name.split(".")[1] for name in names if name.startswith("components."))


def forbidden_imports(components: Path) -> list[str]:
    """Every import of another wing that is not on a lower floor."""
    return [
        f"{path.stem} imports {module}"
        for path in sorted(components.glob("*.py"))
        if path.stem != "__init__"
        for module in imported_modules(path.read_text(encoding="utf-8"))
        if wing_of(module) != wing_of(path.stem) and floor_of(module) >= floor_of(path.stem)
    ]


def test_every_module_belongs_to_a_wing() -> None:
    modules = {path.stem for path in COMPONENTS.glob("*.py")} - {"__init__"}
    assert {module for module in modules if wing_of(module) is None} == set()


def test_imports_between_wings_point_down() -> None:
    assert forbidden_imports(COMPONENTS) == []


@pytest.mark.parametrize(
    ("module", "source", "found"),
    [
        ("authority", "from components.config import parse", ["authority imports config"]),
        ("authority", "from components import config_rules as rules", ["authority imports config_rules"]),
        ("authority", "from . import config", ["authority imports config"]),
        ("authority", "from .config import parse", ["authority imports config"]),
        ("config", "def later():\n    import components.nodes", ["config imports nodes"]),
        ("nodes", "from components.registry import Registry", ["nodes imports registry"]),
        ("outputs", "from components.registry_stack import RegistryStack", ["outputs imports registry_stack"]),
        ("pull_proof", "import pulumi\nfrom components import nodes", []),
        ("config", "from components.certificate_plan import CertificatePlan", []),
    ],
)
def test_the_check_finds_every_form_of_an_upward_import(
    tmp_path: Path, module: str, source: str, found: list[str]
) -> None:
    (tmp_path / f"{module}.py").write_text(source)
    assert forbidden_imports(tmp_path) == found
