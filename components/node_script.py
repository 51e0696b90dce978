"""A script for a node: how settings and program travel there on one standard input."""

import base64
import gzip
import re
import shlex
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final

_SETTING_NAME: Final = re.compile(r"[a-z][a-z_]*")
_ONLY_COMMENT: Final = re.compile(r"^\s*#.*$")
_TRUST: Final = ("run.sh", "k3s.sh", "files.sh", "store.sh", "hosts.sh", "registries.sh", "activation.sh", "trust.sh")
TRUST: Final = "trust.sh"
RESTARTING_TRUST: Final = "trust.sh that may restart K3s"
_PARTS: Final = {TRUST: _TRUST, RESTARTING_TRUST: (*_TRUST[:-1], "restart.sh", _TRUST[-1])}
"""Scripts of several files, in the order in which they are joined; any other is one file."""


def command(action: str) -> str:
    """The command line that runs such a text: constant, since a failure prints it."""
    return f"sudo -n sh -s -- {action}"


def render(script: str, settings: Mapping[str, str]) -> str:
    """The text for the shell's standard input.

    Settings come first and readable, so that a preview's diff shows what changes on the node; the script comes last and
    compressed, since the state keeps this text once for every node and is written anew after every step.

    Args:
        script: name of a script in `components/node`, or of one that is joined from several there.
        settings: shell variables the script reads.

    """
    lines = [_assignment(name, value) for name, value in settings.items()]
    lines.append(f"script=$(printf %s '{_packed(script)}' | base64 -d | gzip -dc) && eval \"$script\"")
    return "\n".join(lines) + "\n"


def _assignment(name: str, value: str) -> str:
    if not _SETTING_NAME.fullmatch(name):
        message = f"{name!r} is no name of a shell variable of ours"
        raise ValueError(message)
    if "\0" in value:
        message = f"setting {name} holds a NUL byte: no shell can carry one"
        raise ValueError(message)
    return f"{name}={shlex.quote(value)}"


def source(script: str) -> str:
    """A script as it was written, its parts joined."""
    folder = resources.files("components") / "node"
    return "\n".join((folder / part).read_text(encoding="utf-8") for part in _PARTS.get(script, (script,)))


@cache
def _packed(script: str) -> str:
    kept = [line.strip() for line in source(script).splitlines() if line.strip() and not _ONLY_COMMENT.match(line)]
    # mtime=0: the same script must give the same text, or every preview shows a change.
    return base64.b64encode(gzip.compress("\n".join(kept).encode() + b"\n", 9, mtime=0)).decode()
