"""The lab's command line: `python -m lab [--name LAB] up|down|show|enter|run|env|needs|deploy|preview|prepare`."""

import argparse
import os
import shlex
import subprocess
import sys
import time

from lab import deployment, inventory, lifecycle, needs, preparation, status
from lab.cgroups import Group
from lab.engine import Engine
from lab.machines import Machine, machines
from lab.settings import DEFAULT_LAB, Lab, LabError, MachineName

RUN_GROUP = "run"
OF_ROOT = frozenset({"up", "down", "enter", "run", "env", "deploy"})
"""Commands that fail without root, and would otherwise fail halfway."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lab", description="A throwaway cluster on this computer that looks like K3s."
    )
    text = f"which lab: several can run side by side (default: {DEFAULT_LAB})"
    parser.add_argument("--name", default=DEFAULT_LAB, help=text)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=text, description=text)
        # --name is accepted behind the command too; suppressing its default keeps the value given in front.
        one.add_argument("--name", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        return one

    up = command("up", "start the lab, or the missing parts of it")
    up.add_argument(
        "--machines", type=int, metavar="N", help="run at least this many machines (default: 3, or the existing ones)"
    )
    up.add_argument("--bare", action="store_true", help="machines without Kubernetes")
    text = (
        "a K3s binary, or a release such as v1.34.4+k3s1, in place of the look-alike (default: the lab's present one)"
    )
    up.add_argument("--k3s", metavar="FILE_OR_RELEASE", help=text)
    up.add_argument("--without-coredns", action="store_true", help="a cluster without DNS for its pods")
    down = command("down", "stop the lab, or one machine, and remove all traces of it")
    which = down.add_mutually_exclusive_group()
    which.add_argument("machine", nargs="?", help="remove this machine only")
    which.add_argument(
        "--tests", action="store_true", help="also remove the labs that finished test runs left behind (named test...)"
    )
    which.add_argument("--all", action="store_true", help="every lab on this computer")
    command("show", "show machines, addresses, node states and the registry")
    enter = command("enter", "open a root shell, or run one command, on a machine")
    enter.add_argument("machine")
    enter.add_argument("rest", nargs=argparse.REMAINDER, metavar="COMMAND")
    run = command("run", "run a command on the LAN with the lab's environment")
    run.add_argument("rest", nargs=argparse.REMAINDER, metavar="COMMAND")
    command("env", "print the lab's environment as shell exports")
    command("needs", "list the requirements of the lab that this computer does not meet")
    command("deploy", "run pulumi up on the lab, and read the registry from the LAN")
    command("preview", "show the whole plan of the lab's stack, offline: needs neither a lab nor root")
    command("prepare", "install or build the packages, programs and machine image that the tests need")
    return parser


def _up(lab: Lab, args: argparse.Namespace) -> int:
    started = time.monotonic()
    lifecycle.up(lab, count=args.machines, bare=args.bare, coredns=not args.without_coredns, choice=args.k3s)
    names = ", ".join(machine.name for machine in machines(lab))
    print(f"lab {lab.name} is up ({time.monotonic() - started:.1f} s): {names}")
    return 0


def _down(lab: Lab, args: argparse.Namespace) -> int:
    if args.machine:
        lifecycle.remove_machine(lab, args.machine)
        print(f"lab {lab.name}: {args.machine} is removed")
        return 0
    doomed = [] if args.all else [lab]
    if args.all or args.tests:
        found = inventory.labs() if args.all else inventory.of_tests()
        doomed += [other for other in found if other not in doomed]
    for one in doomed:
        lifecycle.down(one)
        print(f"lab {one.name} is down")
    if not doomed:
        print("there is no lab on this computer")
    return 0


def _enter(lab: Lab, args: argparse.Namespace) -> int:
    command = args.rest or ["/bin/bash", "-l"]
    return subprocess.run(Machine(lab, MachineName.parse(args.machine)).command(command), check=False).returncode


def _environment(lab: Lab) -> dict[str, str]:
    """The environment of a command on the LAN: the engine's, with the cluster's own command line first on PATH.

    Raises:
        LabError: the lab is not up.
    """
    if not lab.lan_namespace_path.exists():
        message = f"lab {lab.name} is not up: start it with {lab.make('up')}"
        raise LabError(message)
    made = Engine.of(lab).environment()
    return {**made, "PATH": os.pathsep.join([str(lab.programs), made["PATH"]])}


def _run(lab: Lab, args: argparse.Namespace) -> int:
    if not args.rest:
        message = f"run: the command is missing; for example: {lab.call('run', 'kubectl', 'get', 'nodes')}"
        raise LabError(message)
    environment = _environment(lab)
    # Processes that the command leaves behind end with the lab.
    Group(lab, RUN_GROUP).enter()
    command = lab.in_lan(*args.rest)
    sys.stdout.flush()
    os.execvpe(command[0], command, environment)  # noqa: S606 no shell is wanted


def _env(lab: Lab, _: argparse.Namespace) -> int:
    for name, value in sorted(_environment(lab).items()):
        if os.environ.get(name) != value:
            print(f"export {name}={shlex.quote(value)}")
    return 0


def _show(lab: Lab, _: argparse.Namespace) -> int:
    print(status.describe(lab))
    return 0


def _needs(_: Lab, __: argparse.Namespace) -> int:
    lacks = needs.lacks()
    for lack in lacks:
        print(lack)
    return 1 if lacks else 0


def _deploy(lab: Lab, _: argparse.Namespace) -> int:
    deployment.deploy(lab)
    return 0


def _preview(_: Lab, __: argparse.Namespace) -> int:
    deployment.preview()
    return 0


def _prepare(_: Lab, __: argparse.Namespace) -> int:
    preparation.prepare()
    return 0


COMMANDS = {
    "up": _up,
    "down": _down,
    "show": _show,
    "enter": _enter,
    "run": _run,
    "env": _env,
    "needs": _needs,
    "deploy": _deploy,
    "preview": _preview,
    "prepare": _prepare,
}


def _check_root(command: str) -> None:
    if command in OF_ROOT and not needs.is_root():
        message = f"{command}: labs belong to root: run the same command with sudo"
        raise LabError(message)


def main() -> int:
    """Run one command; a user's mistake or a failed need ends with one message and exit code 1."""
    args = _parser().parse_args()
    # Unprivileged users on the machines, such as those of sshd and sudo, must be able to read the files created here.
    os.umask(0o022)
    try:
        _check_root(args.command)
        return COMMANDS[args.command](Lab(args.name), args)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "lab: interrupted; started parts keep running; up continues from there, down removes them", file=sys.stderr
        )
        return 130


if __name__ == "__main__":
    sys.exit(main())
