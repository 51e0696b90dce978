"""docs/troubleshooting.md has every sentence that the program can print, and none that it cannot."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.troubleshooting import python, shell
from tests.troubleshooting.text import Text

PROJECT = Path(__file__).parent.parent.parent
PAGE = PROJECT / "docs" / "troubleshooting.md"
SCRIPTS = ("components/nodes/scripts", "components/registry/scripts")
PROGRAMS = (("__main__.py", "components", "ops"), ("policy",), ("examples/openfaas",))
"""What prints sentences, by program; another directory is one more word here."""
RULES = PROJECT / "components" / "config" / "rules.py"
"""One entry of the page has all problems of the configuration, whoever passes them on."""
HEADER = "| this program says |"
CODE = re.compile(r"(`+)(?!`)(.*?)(?<!`)\1(?!`)")
PASSED_ON = {
    "session.sh: 'node %s: %s; %s; %s\\n'": "die itself",
    'registries.sh: "$found"': "what registries.awk and utf8.awk refuse",
    "restart.sh: '%s\\n'": "the sentence of the process that restarted K3s",
    'cleanup.sh: "$1 $name:$tag"': "a line for each tag",
    'cleanup.sh: "$1 $image"': "a line for each image",
    "new.py: wrong": "a problem of the configuration, as the parser has it",
    "ask.py: said['sentence'].removeprefix(f'node {name}: ')": "what the node's script says",
    "ask.py: sentence": "the last words of ssh, where nothing is known of them",
}
"""Calls whose words come from elsewhere, or which have none."""


@cache
def sentences() -> tuple[tuple[str, Text], ...]:
    """What the program can say, with the call that says it."""
    found: list[tuple[str, Text]] = []
    for directory in SCRIPTS:
        found += shell.sentences(sorted((PROJECT / directory).iterdir()))
    for program in PROGRAMS:
        roots = [PROJECT / name for name in program]
        files = [file for root in roots for file in ([root] if root.is_file() else sorted(root.rglob("*.py")))]
        found += python.Sources(file for file in files if file != RULES).sentences()
    spread = ((where, own) for where, text in found for own in text.spread())
    # One word, as "node", says nothing yet; what a call says in words of its own counts, whatever else it passes on.
    return tuple((where, text) for where, text in spread if where not in PASSED_ON or text.words() > 1)


def documented(page: str) -> Iterator[str]:
    """The texts in the first column of the tables that list what this program says."""
    inside = False
    for line in page.splitlines():
        if line.startswith(HEADER):
            inside = True
        elif not line.startswith("|"):
            inside = False
        elif inside and not line.startswith("|--"):
            cell = re.split(r"(?<!\\)\|", line)[1]
            yield from (code[1].strip() for code in CODE.findall(cell))


def undocumented(page: str) -> list[str]:
    """The sentences that a page does not have, and those that may stand in one of their places."""
    texts = [*documented(page)]
    lost = [
        f"{where}  ->  {said.clause().shown()}" for where, said in sentences() if not any(map(said.has_entry, texts))
    ]
    for where, said in sentences():
        lost += [f"{where}  ->  {part.shown()}" for part in said.clause().choices() if not any(map(part.is_in, texts))]
    return [*dict.fromkeys(lost)]


def unspoken(page: str) -> list[str]:
    """The texts of a page that no sentence of the program is."""
    return [text for text in documented(page) if not any(said.is_all_of(text) for _, said in sentences())]


def test_the_page_has_every_sentence_that_the_program_can_print() -> None:
    assert undocumented(PAGE.read_text()) == [], "add a row to docs/troubleshooting.md"


def test_the_page_has_no_sentence_that_the_program_cannot_print() -> None:
    assert unspoken(PAGE.read_text()) == [], "correct or remove it in docs/troubleshooting.md"


@pytest.mark.parametrize(
    "entry",
    [
        "found no k3s command",
        "found no …",
        "the cluster knows no InternalIP of it, so it cannot be reached",
        "no answer at … without the jump host of your ssh configuration (…)",
        "no answer within … seconds",
        "`ssh …` does not log in by itself (…)",
        "image … is not pinned by digest, so the tag decides what runs",
        "the issuing authority is not protected",
        "the registry's outputs have version …",
    ],
    ids=["die", "place", "remark", "other module", "finding", "other thread", "policy", "policy pair", "example"],
)
def test_a_sentence_without_an_entry_is_missed(entry: str) -> None:
    page = re.sub(rf"`+ ?{re.escape(entry)} ?`+", "", PAGE.read_text())
    missed = {text.partition("  ->  ")[2][: len(entry)] for text in undocumented(page)}
    assert missed == {entry}


def test_an_entry_that_nothing_says_is_noticed() -> None:
    assert unspoken(f"{HEADER} why |\n|---|---|\n| `found no k3s command at all` | |\n") == [
        "found no k3s command at all"
    ]


def test_every_call_that_says_something_has_words_of_its_own() -> None:
    """Words that the test cannot follow would be sentences without an entry."""
    assert [where for where, text in sentences() if not text.words()] == []


@pytest.mark.parametrize("directory", SCRIPTS)
def test_the_grammar_of_a_shell_sees_every_call(directory: str) -> None:
    """A script that the grammar does not understand to its end would hide sentences."""
    for path in sorted((PROJECT / directory).glob("*.sh")):
        found = [where for where, _ in shell.sentences([path])]
        assert len(found) >= shell.spoken(path), path.name


def test_what_else_is_raised_is_a_problem_of_the_configuration() -> None:
    """One entry of the page has all problems of the configuration: they end as lines of one sentence.

    What is raised elsewhere ends the run with a sentence, or is a mistake of the program that no page explains.
    """
    raised = {
        f"{path.relative_to(PROJECT / 'components')}: {ast.unparse(node.exc.func)}"
        for path in (PROJECT / "components").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)
    }
    elsewhere = {where for where in raised if not where.startswith("config/")}
    assert {where for where in elsewhere if not where.endswith(": pulumi.RunError")} == {"nodes/script.py: ValueError"}
