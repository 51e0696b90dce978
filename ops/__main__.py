"""The operator's command line: `python -m ops COMMAND`."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Final

from ops.failure import OpsError

COMMANDS: Final[dict[str, str]] = {
    "new": "create a stack and its configuration from a few questions",
    "doctor": "look at all nodes: whether each could pull now, and if not, why",
    "kit": "write what a workstation or a CI needs to push and pull",
    "nodes": "add the cluster's nodes to the stack's configuration, with their host keys",
}
"""Each command and its one line of help; the module `ops.COMMAND` has its `configure(parser)` and `run(arguments)`."""
_CANNOT: Final = 2
"""The exit status of a command that could not do what it was asked for, as argparse's own."""
_INTERRUPTED: Final = 130


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    made = argparse.ArgumentParser(
        prog="python -m ops",
        description="Commands for the operator of a registry. Each has a --help of its own.",
    )
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in COMMANDS.items():
        module = importlib.import_module(f"ops.{name}")
        one = commands.add_parser(name, help=text, description=module.__doc__)
        one.formatter_class = argparse.RawDescriptionHelpFormatter
        module.configure(one)
        one.set_defaults(run=module.run)
    return made


def main(words: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit status: the command's own (0: good), or 2 if it could not do what it was asked for.

    """
    try:
        arguments = parser().parse_args(words)
        return int(arguments.run(arguments))
    except ModuleNotFoundError as error:
        missing = "the commands need packages that the program does not: pip install -r requirements-ops.txt"
        sys.stderr.write(f"ops: {error.name} is not installed; {missing}\n")
        return _CANNOT
    except OpsError as error:
        sys.stderr.write(f"ops: {error}\n")
        return _CANNOT
    except KeyboardInterrupt:
        return _INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
