"""The README's picture is a well-formed SVG, and what its source says."""

import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
SOURCE = PROJECT / "docs" / "parts.dot"
PICTURE = PROJECT / "docs" / "parts.svg"
NAMES = "{http://www.w3.org/2000/svg}"


def contents(svg: str) -> list[str]:
    """Boxes, arrows and words, without their places, which follow from the fonts of a computer."""
    root = ET.fromstring(svg)  # noqa: S314 - a file of the project
    assert root.tag == f"{NAMES}svg"
    return sorted(element.text or "" for element in root.iter() if element.tag in (f"{NAMES}title", f"{NAMES}text"))


def test_the_picture_is_well_formed_and_has_words() -> None:
    assert {"pulumi up", "containerd", "registry"} <= set(contents(PICTURE.read_text()))


def test_the_readme_shows_the_picture_and_says_it_in_words() -> None:
    assert "![Your computer" in (PROJECT / "README.md").read_text()
    assert "](docs/parts.svg)" in (PROJECT / "README.md").read_text()


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_the_picture_is_what_its_source_says() -> None:
    drawn = subprocess.run(["dot", "-Tsvg", SOURCE], capture_output=True, text=True, check=True).stdout
    assert contents(drawn) == contents(PICTURE.read_text()), "dot -Tsvg docs/parts.dot > docs/parts.svg"
