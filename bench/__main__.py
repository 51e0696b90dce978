"""The benches' command line: `python -m bench nodes` (root) and `python -m bench fleet`."""

import argparse
import sys

from bench import fleet, node_bench
from lab.progress import say
from lab.settings import Lab, LabError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="How fast nodes are configured.")
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
    many.add_argument("--nodes", type=int, default=fleet.NODES)
    many.add_argument("--rounds", type=int, default=fleet.ROUNDS)
    many.add_argument(
        "--without-settings", action="store_true", help="skip the comparison of the CLI's settings for its state"
    )
    return parser


def _nodes(args: argparse.Namespace) -> list[str]:
    sizes = sorted(int(size) for size in args.machines.split(","))
    done = node_bench.run(lab=Lab(args.lab), sizes=sizes, rounds=args.rounds, with_guide=not args.without_guide)
    return [*done.report(), done.ratios(sizes[-1])]


def _fleet(args: argparse.Namespace) -> list[str]:
    done = fleet.run(count=args.nodes, rounds=args.rounds, settings=not args.without_settings)
    return [*done.report(), done.ratios()]


def main() -> int:
    """Run one bench; the last line of its output holds the ratios."""
    args = _parser().parse_args()
    try:
        lines = _nodes(args) if args.bench == "nodes" else _fleet(args)
    except LabError as error:
        say(f"bench: {error}")
        return 1
    # Progress goes to standard error, the result to standard output.
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
