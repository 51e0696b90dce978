"""The shells that a node may have, each with the tools that come with it."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

# What a node has: coreutils or busybox, sed, awk, grep, gzip. No python, no bash.
COMMANDS = [
    "awk",
    "base64",
    "basename",
    "cat",
    "chmod",
    "cp",
    "date",
    "env",
    "false",
    "find",
    "grep",
    "gzip",
    "head",
    "id",
    "kill",
    "ln",
    "ls",
    "mkdir",
    "mktemp",
    "mv",
    "od",
    "printf",
    "readlink",
    "rm",
    "rmdir",
    "setsid",
    "sh",
    "sed",
    "sha256sum",
    "sleep",
    "sort",
    "stat",
    "sync",
    "tail",
    "timeout",
    "touch",
    "tr",
    "true",
    "wc",
]


@dataclass(frozen=True)
class Shell:
    """A POSIX shell, and a directory with the tools that come with it."""

    name: str
    argv: tuple[str, ...]
    tools: Path


def create_shell(name: str, directory: Path) -> Shell | None:
    """Create a directory of tools for `dash` (coreutils) or `busybox` (applets); None if the shell is not installed."""
    program = shutil.which(name)
    if program is None:
        return None
    directory.mkdir(parents=True)
    for command in COMMANDS:
        if name == "busybox":
            (directory / command).symlink_to(program)
        elif found := shutil.which(command):
            (directory / command).symlink_to(os.path.realpath(found))
    if os.geteuid() != 0:
        (directory / "id").unlink()
        (directory / "id").write_text("#!/bin/sh\necho 0\n")
        (directory / "id").chmod(0o755)
    return Shell(name, (program, "sh") if name == "busybox" else (program,), directory)
