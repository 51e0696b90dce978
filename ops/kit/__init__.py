"""Write what a workstation or a CI needs to push and pull: certificates, configurations, and how to install them.

DIR gets files in the form that clients read, and a README.md with the commands that install and remove them. Nothing
outside DIR changes. Run the command again after a rotation of the authority: files that are no longer needed disappear.
"""

import argparse
import json
from pathlib import Path
from typing import Final

from ops.failure import OpsError
from ops.kit.directory import write
from ops.kit.facts import Facts
from ops.kit.files import LOGIN, files
from ops.stack import Stack
from ops.terminal import OUT, step

_HIDDEN: Final = "[secret]"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("directory", type=Path, metavar="DIR", help="where to: a new directory, or one with a kit")
    parser.add_argument("--stack", help="the stack's name (default: the one that is selected)")
    text = f"where the registry asks for passwords: also write {LOGIN}, with the password of this user"
    parser.add_argument("--user", metavar="NAME", help=text)


def run(arguments: argparse.Namespace) -> int:
    """Write the kit.

    Raises:
        OpsError: the stack has no outputs, the user is unknown, or DIR has other content.

    """
    stack = Stack(name=arguments.stack)
    with step("reading the stack's outputs"):
        outputs = stack.outputs(with_secrets=arguments.user is not None)
    facts = Facts.of(outputs)
    login = None if arguments.user is None else _login(outputs["pushConfigs"], arguments.user)
    written = files(facts, passwords=outputs["pushConfigs"] == _HIDDEN or bool(outputs["pushConfigs"]), login=login)
    write(arguments.directory, written)
    OUT.print(f"{arguments.directory / 'README.md'} says how to use these files.", markup=False)
    return 0


def _login(known: dict[str, str], user: str) -> str:
    if user not in known:
        listed = f"it has {', '.join(sorted(known))}" if known else "it asks nobody for a password"
        message = f"the registry has no user {user}: {listed}; correct --user, or leave it out"
        raise OpsError(message)
    return json.dumps(json.loads(known[user]), indent=2) + "\n"
