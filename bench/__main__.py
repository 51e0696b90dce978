"""The benches' command line: `python -m bench nodes`, `fleet`, `conformance` and `load`; all but `fleet` need root."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping

from bench import conformance, fleet, fleet_report, load, node_bench
from bench.measurement import too_busy
from lab.progress import say
from lab.settings import DEFAULT_LAB, Lab, LabError

Outcome = tuple[list[str], bool]
"""The lines to print, and whether what was measured is as it must be."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="What the deployment costs, and holds.")
    benches = parser.add_subparsers(dest="bench", required=True)
    nodes = benches.add_parser(
        "nodes", help="compared with one ssh exec per node and the guide's ansible commands (root)"
    )
    nodes.add_argument("--lab", default="bench", help="the name of the lab that the bench creates")
    nodes.add_argument(
        "--machines", default=",".join(map(str, node_bench.SIZES)), help="the numbers of machines, separated by commas"
    )
    nodes.add_argument("--rounds", type=int, default=node_bench.ROUNDS)
    nodes.add_argument("--without-guide", action="store_true", help="skip the guide's commands, which take longest")
    many = benches.add_parser(
        "fleet", help="hundreds of pretend nodes, compared with the same graph with empty payloads"
    )
    many.add_argument("--nodes", type=int, nargs="+", default=fleet.COUNTS, help="the numbers of nodes")
    many.add_argument("--rounds", type=int, default=fleet.ROUNDS)
    many.add_argument(
        "--without-comparison", action="store_true", help="skip what the CLI's settings and its --parallel change"
    )
    many.add_argument(
        "--setting", choices=fleet.SETTINGS, default=fleet.RECOMMENDED, help="the CLI's setting for the state"
    )
    judge = benches.add_parser(
        "conformance", help="OCI's suite against the lab's registry, compared with the same registry alone (root)"
    )
    judge.add_argument("--lab", default=DEFAULT_LAB, help="a lab that `make up` deployed")
    crowd = benches.add_parser("load", help="pushes and pulls while the lab's registry changes its pods (root)")
    crowd.add_argument("--lab", default=DEFAULT_LAB, help="a lab that `make up` deployed")
    crowd.add_argument("--clients", type=int, default=load.CLIENTS)
    crowd.add_argument("--seconds", type=int, default=load.SECONDS)
    crowd.add_argument(
        "--rest", type=float, default=load.REST_SECONDS, help="seconds between two operations, at most (0: saturate)"
    )
    return parser


def _nodes(args: argparse.Namespace) -> Outcome:
    sizes = sorted(int(size) for size in args.machines.split(","))
    busy = _busy()
    done = node_bench.run(lab=Lab(args.lab), sizes=sizes, rounds=args.rounds, with_guide=not args.without_guide)
    return [*busy, *done.report(), done.ratios(sizes[-1])], True


def _fleet(args: argparse.Namespace) -> Outcome:
    busy = _busy()
    done = fleet.run(args.nodes, rounds=args.rounds, compare=not args.without_comparison, setting=args.setting)
    return [*busy, *fleet_report.report(done), fleet_report.last_line(done)], True


def _busy() -> list[str]:
    """Why wall times are not to be believed: said before the bench begins, and again with its figures."""
    sentence = too_busy(os.getloadavg()[0], os.cpu_count() or 1)
    if sentence is None:
        return []
    say(sentence)
    return [sentence]


def _conformance(args: argparse.Namespace) -> Outcome:
    results, lost = conformance.run(Lab(args.lab))
    return [*lost, f"conformance {results}"], not lost


def _load(args: argparse.Namespace) -> Outcome:
    done = load.run(Lab(args.lab), seconds=args.seconds, clients=args.clients, rest=args.rest)
    return [*done.report()], done.is_good


BENCHES: Mapping[str, Callable[[argparse.Namespace], Outcome]] = {
    "nodes": _nodes,
    "fleet": _fleet,
    "conformance": _conformance,
    "load": _load,
}


def main() -> int:
    """Run one bench; the last line of its output holds the figures."""
    args = _parser().parse_args()
    try:
        lines, good = BENCHES[args.bench](args)
    except LabError as error:
        say(f"bench: {error}")
        return 1
    # Progress goes to standard error, the result to standard output.
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
