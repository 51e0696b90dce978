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
_TRUST: Final = ("run.sh", "k3s.sh", "files.sh", "store.sh", "hosts.sh", "registries.sh", "activation.sh", "trust.sh")
TRUST: Final = "trust.sh"
RESTARTING_TRUST: Final = "trust.sh that may restart K3s"
_PARTS: Final = {
    "proof.sh": ("causes.sh", "proof.sh"),
    TRUST: _TRUST,
    RESTARTING_TRUST: (*_TRUST[:-1], "restart.sh", _TRUST[-1]),
}
"""Scripts of several files, in the order in which they are joined; any other is one file."""


def command(action: str) -> str:
    """The command line that runs such a text: constant, since a failure prints it."""
    return f"sudo -n sh -s -- {action}"


def render(script: str, settings: Mapping[str, str], constants: Mapping[str, str] | None = None) -> str:
    """The text for the shell's standard input.

    Settings come first and readable, so that a preview's diff shows what changes on the node; the script comes last and
    compressed, since the state keeps this text once for every node and is written anew after every step.

    Args:
        script: name of a script in `components/node`, or of one that is joined from several there.
        settings: shell variables the script reads.
        constants: more of them, which change with the program's version only: they travel compressed, with the script.

    """
    lines = [_assignment(name, value) for name, value in settings.items()]
    packed = _packed(script, "\n".join(_assignment(name, value) for name, value in (constants or {}).items()))
    lines.append(f"script=$(printf %s '{packed}' | base64 -d | gzip -dc) && eval \"$script\"")
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
def _packed(script: str, before: str) -> str:
    lines = [line.strip() for line in source(script).splitlines()]
    kept = [line for line in lines if line and not line.startswith("#")]
    text = "".join(f"{line}\n" for line in [before, *kept] if line)
    # mtime=0: the same script must give the same text, or every preview shows a change.
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()
