"""Look at all nodes at once: whether each one could pull from the registry now, and if not, why and what to do.

Everything is read: nodes are asked over `ssh` (OpenSSH's own, with its configuration, keys, agent and jump hosts), and
nothing on them is changed. Drift that it finds is what `pulumi up -c audit=$(date +%F)` would mend.

  python -m ops doctor                        the nodes of the selected stack
  python -m ops doctor --nodes cube01,cube02  some of them
  python -m ops doctor --host registry.example.com --port 5000 --nodes pi@cube01,cube02
                                              any registry, whoever installed it; nodes as `ssh` would be given them

The exit status is 0 if all is good (nodes marked offline are skipped), 1 if a node has a problem, 2 if the nodes could
not be asked. docs/operating.md, "Look at all nodes", says what each column means.
"""

import argparse
import asyncio
from typing import Final

from components.config import rules
from ops.doctor import show
from ops.doctor.ask import Patience, ask_all
from ops.doctor.targets import foreign_targets, stack_targets
from ops.stack import Stack
from ops.terminal import step

_FOUND: Final = 1


def configure(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("--stack", metavar="NAME", help="the stack; default: the selected one")
    parser.add_argument("--nodes", metavar="A,B", type=_names, default=(), help="only these nodes; default: all")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--timeout", metavar="SECONDS", type=_positive, default=30, help="per node; default: 30")
    parser.add_argument(
        "--at-once",
        metavar="N",
        type=_positive,
        help="how many nodes are asked at the same time; default: 32, and 8 through the stack's jump host",
    )
    other = parser.add_argument_group("a registry that this program did not install")
    other.add_argument("--host", metavar="NAME", type=_host, help="its name or address; no stack is asked then")
    other.add_argument("--port", metavar="N", type=_port, help="its port; default: 5000")
    other.add_argument("--user", metavar="NAME", help="the login name on the nodes; default: OpenSSH's configuration")


def run(arguments: argparse.Namespace) -> int:
    """Ask the nodes and show what they say."""
    if arguments.host is None:
        with step("Reading the stack"):
            asked = stack_targets(Stack(name=arguments.stack), arguments)
    else:
        asked = foreign_targets(arguments)
    patience = Patience(seconds=arguments.timeout, at_once=arguments.at_once or asked.at_once)
    with step(f"Asking {len(asked.targets)} nodes"):
        findings = asyncio.run(ask_all(asked, patience))
    (show.as_json if arguments.json else show.as_table)(asked.registry, findings)
    return _FOUND if any(finding.problem for finding in findings) else 0


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names or any(name.startswith("-") for name in names):
        message = f"found {text!r}; names of nodes are needed, separated by commas: cube01,cube02"
        raise argparse.ArgumentTypeError(message)
    return tuple(dict.fromkeys(names))


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        message = f"found {text!r}; a whole number greater than 0 is needed"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _port(text: str) -> int:
    number = _positive(text)
    if number > 65535:  # noqa: PLR2004  # TCP's own limit
        message = f"found {text!r}; a TCP port is at most 65535"
        raise argparse.ArgumentTypeError(message)
    return number


def _host(text: str) -> str:
    if ":" in text or rules.host(text) is not None:
        message = f"found {text!r}; a DNS name or an IPv4 address is needed, without scheme; the port is --port's"
        raise argparse.ArgumentTypeError(message)
    return text
