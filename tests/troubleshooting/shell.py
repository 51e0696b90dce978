"""The texts that shell and awk scripts print, by the grammar of a shell."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

from tests.troubleshooting.text import ANYTHING, Anything, Choice, Text, place

_SAYING: Final = ("die", "fail", "say")
"""The functions that end a run with a sentence, or write a line of a log. Only the first argument says what was found
where there are several."""
_ERRORS: Final = (">&2", ">&3")
_SPOKEN: Final = re.compile(rf"(?:^\s*|[;|{{)] )(?:{'|'.join(_SAYING)}) [\"'$]|[^0-9]>&[23]$")
_AWK_DEFINITION: Final = re.compile(r"^function (refuse\w*)\(([^)]*)\)", re.MULTILINE)
_AWK_STRING: Final = r'"(?:[^"\\]|\\.)*"'
_AWK_FOUND: Final = ("found", "otherwise")


def sentences(scripts: Iterable[Path]) -> Iterator[tuple[str, Text]]:
    """What the scripts say, with the place where they do; their parts share variables."""
    trees = {path: _parser().parse(path.read_bytes()).root_node for path in scripts if path.suffix == ".sh"}
    for path, tree in trees.items():
        for node in _descend(tree):
            said = _said(node)
            if said is not None:
                yield f"{path.name}: {_source(said)}", _text(said, path, trees, ())
    for path in scripts:
        if path.suffix == ".awk":
            yield from _refusals(path)


def spoken(path: Path) -> int:
    """How many lines of a script say something, counted without a grammar."""
    return sum(_SPOKEN.search(line) is not None for line in path.read_text(encoding="utf-8").splitlines())


@cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_bash.language()))


def _descend(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _descend(child)


def _said(node: Node) -> Node | None:
    """The argument in which a command says something, if it does."""
    if node.type != "command":
        return None
    name, *arguments = [child for child in node.named_children if child.type != "variable_assignment"]
    word = _source(name)
    redirected = node.parent is not None and any(_source(child) in _ERRORS for child in node.parent.named_children)
    if arguments and (word in _SAYING or (word == "printf" and redirected)):
        return arguments[0]
    return None


def _source(node: Node) -> str:
    return (node.text or b"").decode()


def _text(node: Node, path: Path, trees: dict[Path, Node], within: tuple[str, ...]) -> Text:
    return Text(tuple(_parts(node, path, trees, within)))


def _parts(
    node: Node, path: Path, trees: dict[Path, Node], within: tuple[str, ...]
) -> Iterator[str | Anything | Choice]:
    match node.type:
        case "raw_string":
            # A directive of printf is a place, and \n ends the line.
            for number, words in enumerate(_source(node)[1:-1].replace("\\n", "").split("%s")):
                if number:
                    yield ANYTHING
                if words:
                    yield words
        case "string" | "concatenation":
            # The grammar leaves blanks between two expansions out.
            at = node.start_byte + (node.type == "string")
            for child in node.named_children:
                yield from _blanks(node, at, child.start_byte)
                yield from _parts(child, path, trees, within)
                at = child.end_byte
            yield from _blanks(node, at, node.end_byte - (node.type == "string"))
        case "string_content" | "word":
            yield re.sub(r"\\(.)", r"\1", _source(node))
        case "simple_expansion":
            yield _values(_source(node)[1:], path, trees, within)
        case "expansion":
            named = re.fullmatch(r"\$\{(\w+)\}", _source(node))
            yield _values(named[1], path, trees, within) if named else ANYTHING
        case _:
            yield ANYTHING


def _blanks(node: Node, start: int, end: int) -> Iterator[str]:
    if end > start:
        yield (node.text or b"")[start - node.start_byte : end - node.start_byte].decode()


def _values(name: str, path: Path, trees: dict[Path, Node], within: tuple[str, ...]) -> Anything | Choice:
    """What a variable may hold: where its own file gives it no text, another part does."""
    if name in within or re.search(rf"\bread -r {name}$", path.read_text(encoding="utf-8"), re.MULTILINE):
        return ANYTHING
    unknown = False
    for file in (path, *trees):
        assigned = [*_assigned(name, file, trees, (*within, name))]
        found = place(assigned)
        if isinstance(found, Choice):
            return Choice(found.texts, open=found.open or unknown)
        unknown = unknown or bool(assigned)
    return ANYTHING


def _assigned(name: str, path: Path, trees: dict[Path, Node], within: tuple[str, ...]) -> Iterator[Text | None]:
    for node in _descend(trees[path]):
        if node.type == "variable_assignment" and _source(node.named_children[0]) == name:
            value = node.named_children[-1]
            # An empty value says nothing.
            if len(node.named_children) > 1 and _source(value) not in ("''", '""'):
                yield _text(value, path, trees, within) if value.type in ("string", "raw_string") else None


def _refusals(path: Path) -> Iterator[tuple[str, Text]]:
    """`refuse(...)` of an awk script prints what was found, and where."""
    source = path.read_text(encoding="utf-8")
    # A part of a joined script calls the function of another part.
    parts = [other.read_text(encoding="utf-8") for other in path.parent.glob("*.awk")]
    defined = {(name, tuple(own.split(", "))) for part in parts for name, own in _AWK_DEFINITION.findall(part)}
    for name, parameters in sorted(defined):
        position = next((at for at, own in enumerate(parameters) if own in _AWK_FOUND), None)
        for call in re.finditer(rf'(?<!function )\b{name}\(((?:[^()"]|{_AWK_STRING})*)\)', source):
            arguments = [own.strip() for own in re.findall(rf'(?:[^,"]|{_AWK_STRING})+', call[1])]
            if position is not None and len(arguments) == len(parameters) and '"' in arguments[position]:
                found = _concatenated(arguments[position])
                text = Text(("found ", *found, " in line ", ANYTHING, " of ", ANYTHING))
                yield f"{path.name}: {arguments[position]}", text


def _concatenated(expression: str) -> Iterator[str | Anything]:
    for string, name in re.findall(rf"({_AWK_STRING})|(\w+)", expression):
        yield re.sub(r"\\(.)", r"\1", string[1:-1]) if string else ANYTHING if name else ""
