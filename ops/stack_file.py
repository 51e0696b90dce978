"""Stack files, in which only what is added changes: comments, quotes and line breaks of the rest stay."""

import difflib
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from ops.failure import OpsError

PREFIX: Final = "k3s-registry:"
_NODES: Final = ("nodes", f"{PREFIX}nodes")
_LONGEST_LINE: Final = 1 << 20
"""No line is broken."""


def keys(text: str) -> set[str]:
    """The program's keys in a stack file, without their namespace."""
    return {str(key).removeprefix(PREFIX) for key in _config(_loaded(text, YAML()))}


def with_nodes(text: str, nodes: Mapping[str, Mapping[str, Any]]) -> str:
    """The stack file with these entries after those of `nodes`.

    Raises:
        OpsError: the file cannot be read.

    """

    def add(config: CommentedMap) -> None:
        # The CLI reads a key without the project's name too.
        key = next((key for key in _NODES if key in config), _NODES[-1])
        if not config.get(key):
            config[key] = CommentedMap()
        config[key].update({name: CommentedMap(entry) for name, entry in nodes.items()})

    return _changed(text, add)


def with_keys(text: str, values: Mapping[str, Any], comments: Mapping[str, str]) -> str:
    """The stack file with these keys after the others, each below its comment.

    Raises:
        OpsError: the file cannot be read.

    """

    def add(config: CommentedMap) -> None:
        for key, value in values.items():
            config[f"{PREFIX}{key}"] = value
            config.yaml_set_comment_before_after_key(f"{PREFIX}{key}", before=comments.get(key), indent=2)

    return _changed(text, add)


def diff(path: Path, old: str, new: str) -> str:
    """What would change in a file, as a unified diff."""
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), str(path.name), f"{path.name} (new)", lineterm="")
    return "\n".join(lines)


def write(path: Path, text: str) -> None:
    """Replace a file as a whole; its mode stays.

    Raises:
        OpsError: the file system or its rights do not allow it.

    """
    fresh = path.with_name(f".{path.name}.new")
    try:
        fresh.write_text(text, encoding="utf-8")
        if path.exists():
            fresh.chmod(path.stat().st_mode)
        fresh.replace(path)
    except OSError as error:
        message = f"{path.name} cannot be written ({error.strerror}): its directory must be yours, and writable"
        raise OpsError(message) from None


def _changed(text: str, change: Callable[[CommentedMap], None]) -> str:
    """The text with what the change adds, and every other line as it was.

    ruamel keeps comments but has a layout of its own. Where its lines are the file's one by one, only the lines that
    the change adds are taken from it.
    """
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = _LONGEST_LINE
    document = _loaded(text, yaml)
    # As the keys of the program are indented, and lists in them as the CLI writes them.
    indent = document["config"].lc.col if document.get("config") else 2
    yaml.indent(mapping=indent, sequence=indent + 2, offset=indent)
    before = _dumped(document, yaml).splitlines(keepends=True)
    if not document.get("config"):
        document["config"] = CommentedMap()
    change(document["config"])
    after = _dumped(document, yaml)
    lines = text.splitlines(keepends=True)
    if len(lines) != len(before):
        return after
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    merged = "".join(_merged(lines, before, after.splitlines(keepends=True)))
    return merged if _same(merged, after) else after


def _merged(lines: list[str], before: list[str], after: list[str]) -> list[str]:
    made: list[str] = []
    steps = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    for kind, first, last, first_after, last_after in steps:
        if kind == "equal":
            made += lines[first:last]
            continue
        added = after[first_after:last_after]
        place = len(made)
        # ruamel counts a comment before the next key to the key above it: what is added belongs between the two.
        while kind == "insert" and made and _is_aside(made[place - 1], added[0]):
            place -= 1
        made[place:place] = added
    return made


def _is_aside(line: str, added: str) -> bool:
    """Whether a line before added ones is empty, or a comment of something further out."""
    content = line.lstrip()
    return not content or (content.startswith("#") and len(line) - len(content) < len(added) - len(added.lstrip()))


def _same(one: str, other: str) -> bool:
    try:
        return bool(_loaded(one, YAML()) == _loaded(other, YAML()))
    except OpsError:
        return False


def _config(document: CommentedMap) -> Mapping[str, Any]:
    return document.get("config") or {}


def _loaded(text: str, yaml: YAML) -> CommentedMap:
    try:
        document = yaml.load(text)
    except YAMLError as error:
        message = f"the stack file is not YAML ({error})"
        raise OpsError(message) from None
    if document is None:
        return CommentedMap()
    if not isinstance(document, CommentedMap):
        message = "the stack file is not a mapping: `pulumi stack init` writes one"
        raise OpsError(message)
    config = document.get("config")
    held = [("config", config)]
    if isinstance(config, CommentedMap):
        held += [(key, config.get(key)) for key in _NODES]
    for name, value in held:
        if not isinstance(value, CommentedMap | None):
            message = f"the stack file's `{name}` is not a mapping of names to values: mend it by hand"
            raise OpsError(message)
    return document


def _dumped(document: CommentedMap, yaml: YAML) -> str:
    stream = io.StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()
