"""A script for a node: how its settings and its program travel there on one standard input."""

import base64
import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import PurePath
from typing import Any, Final

from zopfli import gzip  # type: ignore[import-untyped]  # it has no types

NO_SUDO: Final = "sudo -n does not work here"
"""What a command says where it may not become root, whatever sudo itself says. The command line does not contain it."""
_AS_ROOT: Final = (
    "sh -c 'set -f; "
    "test $(id -u) = 0 && exec sh -s -- $0; "
    "said=$(sudo -n sh -s -- $0 2>&1 </dev/null) && exec sudo -n sh -s -- $0; "
    "set -- sudo; "
    "echo $1 -n does not work here: $said >&2; "
    "exit 1'"
)
"""Runs standard input as root. Every login shell reads it alike: one word in single quotes, without `!`, backslash and
line break. Sudo is tried with the very command that a policy has to allow."""
_SETTING_NAME: Final = re.compile(r"[a-z][a-z_]*")


@dataclass(frozen=True)
class Script:
    """Files of `components/nodes/scripts`, in the order in which they are joined.

    An awk program `name.awk` becomes the shell variable `name_awk`.
    """

    parts: tuple[str, ...]

    def source(self) -> str:
        """The joined files, before comments and indentation are stripped."""
        directory = resources.files("components.nodes") / "scripts"
        return "\n".join(_as_shell(part, (directory / part).read_text(encoding="utf-8")) for part in self.parts)


_SHARED: Final = ("session.sh", "kubectl.sh", "running.sh", "proxy.awk", "proxy.sh")
_TRUST: Final = (
    *_SHARED,
    "k3s_words.awk",
    "k3s_settings.awk",
    "config_path.awk",
    "k3s.sh",
    "lock.sh",
    "k3s_checks.sh",
    "files.sh",
    "certificate.awk",
    "in_bundle.awk",
    "store.sh",
    "hosts.awk",
    "hosts_clash.awk",
    "hosts.sh",
    "utf8.awk",
    "yaml_scan.awk",
    "registries.awk",
    "registries_ours.awk",
    "registries.sh",
    "mirrored.awk",
    "containerd.sh",
)
_PROOF: Final = ("paths.awk", "used_data.sh", "address_owners.awk", "diagnosis.sh", "request.sh")
TRUST: Final = Script((*_TRUST, "node_files.sh", "trust.sh"))
TRUST_WITH_RESTART: Final = Script((*_TRUST, "restart.sh", "node_files.sh", "trust.sh"))
PROOF: Final = Script((*_SHARED, *_PROOF, "proof.sh"))
DOCTOR: Final = Script((*_TRUST, "node_files.sh", *_PROOF, "foreign.sh", "doctor.sh"))
"""For `python -m ops doctor`; no state holds it."""


def command(action: str) -> str:
    """The command line that runs a rendered script: constant, since a failure prints it."""
    return f"{_AS_ROOT} {action}"


def render(script: Script, settings: Mapping[str, str], constants: Mapping[str, str] | None = None) -> str:
    """The shell's standard input.

    Settings come first and readable, so that a preview's diff shows what changes on the node. The script comes last and
    compressed, since the state stores this string once per node and is rewritten after every step.

    Args:
        script: what runs on the node.
        settings: shell variables the script reads.
        constants: more of them, which change only with the program's version: they travel compressed, with the script.

    """
    lines = [_assignment(name, value) for name, value in settings.items()]
    packed = _packed(script, "".join(f"{_assignment(name, value)}\n" for name, value in (constants or {}).items()))
    lines.append(f"script=$(printf %s '{packed}' | base64 -d | gzip -dc) && eval \"$script\"")
    return "\n".join(lines) + "\n"


def answer(stdout: str) -> Mapping[str, Any]:
    """A script's answer in what its command printed: the last line, from where the JSON begins.

    A login shell's start-up files may print something of their own before it.
    """
    line = stdout.splitlines()[-1]
    return dict(json.loads(line[line.index('{"') :]))


def setting(text: str, name: str) -> str | None:
    """The value of a setting in a rendered string, also of an earlier version of this program; None without it."""
    words = shlex.shlex(text, posix=True)
    words.whitespace_split = True
    words.commenters = ""
    return next((word.partition("=")[2] for word in words if word.startswith(f"{name}=")), None)


def _assignment(name: str, value: str) -> str:
    if not _SETTING_NAME.fullmatch(name):
        message = f"{name!r} cannot name a setting: it must be lower-case letters and underscores"
        raise ValueError(message)
    if "\0" in value:
        message = f"setting {name} holds a NUL byte, which no shell variable can"
        raise ValueError(message)
    return f"{name}={shlex.quote(value)}"


def _as_shell(part: str, text: str) -> str:
    path = PurePath(part)
    return f"{path.stem}_awk={shlex.quote(_stripped(text))}\n" if path.suffix == ".awk" else text


def _stripped(text: str) -> str:
    lines = [line.strip() for line in text.splitlines()]
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("#"))


@cache
def _packed(script: Script, constants: str) -> str:
    text = constants + _stripped(script.source())
    # Zopfli needs no time stamp and is one implementation: the same script gives the same string on every computer, or
    # previews would show a change. A node needs only gzip to read it.
    return base64.b64encode(gzip.compress(text.encode())).decode()
