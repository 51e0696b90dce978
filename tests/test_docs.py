"""Links of the pages lead somewhere, and the make targets that they name exist."""

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
INDENTED = re.compile(r"^    +.*$", re.MULTILINE)
MAKE = re.compile(r"(?:^ *`*|&& |sudo )make ([a-z][a-z-]*)", re.MULTILINE)
TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)
PAGES = sorted(
    page.as_posix()
    for page in (path.relative_to(PROJECT) for path in PROJECT.rglob("*.md"))
    if not any(part.startswith(".") for part in page.parts)
)


def read(page: str) -> str:
    return (PROJECT / page).read_text(encoding="utf-8")


def anchors(page: str) -> set[str]:
    """The anchors that a forge generates from a page's headings."""
    found: set[str] = set()
    for heading in HEADING.findall(FENCE.sub("", read(page))):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        repeated = 1
        unique = anchor
        while unique in found:
            unique = f"{anchor}-{repeated}"
            repeated += 1
        found.add(unique)
    return found


def links(text: str) -> list[str]:
    """Targets of a page's links, except those in code."""
    prose = CODE.sub(lambda code: "x" * len(code[0]), FENCE.sub("", text))
    return LINK.findall(prose)


def targets_named(text: str) -> set[str]:
    """The targets of make that a page names in code; prose may use the verb."""
    code = [*FENCE.findall(text), *INDENTED.findall(text), *(span[0] for span in CODE.finditer(FENCE.sub("", text)))]
    return {target for part in code for target in MAKE.findall(part)}


def broken(page: str, text: str) -> list[str]:
    """The relative links of a page that lead nowhere."""
    lost: list[str] = []
    for link in links(text):
        if "://" in link or link.startswith("mailto:"):
            continue
        place, _, anchor = link.partition("#")
        target = (PROJECT / page).parent / place if place else PROJECT / page
        if not target.exists() or (anchor and anchor not in anchors(target.resolve().relative_to(PROJECT).as_posix())):
            lost.append(link)
    return lost


@pytest.mark.parametrize("page", PAGES)
def test_relative_links_and_anchors_lead_somewhere(page: str) -> None:
    assert broken(page, read(page)) == []


@pytest.mark.parametrize("link", ["missing.md", "docs/operating.md#no-such-heading", "#no-such-heading"])
def test_a_link_that_leads_nowhere_is_found(link: str) -> None:
    assert broken("README.md", f"[text]({link})") == [link]


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_that_a_page_names_exists(page: str) -> None:
    targets = set(TARGET.findall((PROJECT / "Makefile").read_text(encoding="utf-8")))
    assert sorted(targets_named(read(page)) - targets) == []


@pytest.mark.parametrize("text", ["`make nothing`", "```sh\nmake nothing  # comment\n```", "    make nothing"])
def test_a_make_target_is_found_in_code(text: str) -> None:
    assert targets_named(text) == {"nothing"}


def test_the_readme_links_to_every_page_of_the_project() -> None:
    """The README links to every page beside it and in docs/, so that a reader finds them."""
    linked = {link.partition("#")[0] for link in links(read("README.md"))}
    wanted = {page for page in PAGES if "/" not in page or page.startswith("docs/")} - {"README.md"}
    assert sorted(wanted - linked) == []
