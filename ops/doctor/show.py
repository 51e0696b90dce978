"""Shows what the nodes said: a table for people, JSON for programs."""

import json
from collections.abc import Sequence
from typing import Final

from rich.markup import escape
from rich.table import Table

from ops.doctor.checks import CHECKS, Finding, Outcome
from ops.terminal import OUT, console

_CELLS: Final = {Outcome.OK: "[green]ok[/]", Outcome.FAILED: "[bold red]FAIL[/]", Outcome.SKIPPED: "[dim]-[/]"}
_NAMES_SHOWN: Final = 5
_WIDTH: Final = 120
"""A table has one form wherever it is shown: a pipe has no width, and a narrow terminal would cut the words."""


def as_table(registry: str, findings: Sequence[Finding]) -> None:
    """One row per node, then the first problem of each in a sentence; nodes with the same one share it."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("node", no_wrap=True)
    for title in CHECKS.values():
        table.add_column(title, no_wrap=True)
    for finding in findings:
        table.add_row(escape(finding.node), *(_cell(finding, check) for check in CHECKS))
    console(width=max(OUT.width, _WIDTH)).print(table)
    OUT.print()
    for names, check, sentence in _problems(findings):
        title = CHECKS[check].replace("-\n", "").replace("\n.", ".").replace("\n", " ")
        OUT.print(f"[bold]{escape(names)}[/]: [red]{title}[/]: {escape(sentence)}")
    bad = sum(1 for finding in findings if finding.problem)
    off = sum(1 for finding in findings if finding.offline)
    good = len(findings) - bad - off
    skipped = f", {off} offline" if off else ""
    OUT.print(f"{escape(registry)}: {good} of {len(findings) - off} nodes are good{skipped}")


def as_json(registry: str, findings: Sequence[Finding]) -> None:
    """Names hold as those of the outputs do: they stay, and more may come."""
    nodes = [
        {
            "name": finding.node,
            "state": finding.state,
            "k3sVersion": finding.version,
            "problem": finding.problem,
            "sentence": finding.check(finding.problem).sentence if finding.problem else "",
            "checks": {
                name: {"outcome": finding.check(name).outcome, "sentence": finding.check(name).sentence}
                for name in CHECKS
            },
        }
        for finding in findings
    ]
    OUT.print(json.dumps({"registry": registry, "nodes": nodes}, indent=2), markup=False, emoji=False)


def _cell(finding: Finding, check: str) -> str:
    if finding.offline:
        return "[dim]off[/]" if check == next(iter(CHECKS)) else _CELLS[Outcome.SKIPPED]
    outcome = finding.check(check).outcome
    if check == "k3s" and finding.version and outcome is Outcome.OK:
        return f"[green]{escape(finding.version)}[/]"
    return _CELLS[outcome]


def _problems(findings: Sequence[Finding]) -> list[tuple[str, str, str]]:
    """Each first problem once: the nodes that have it, the check and the sentence."""
    same: dict[tuple[str, str], list[str]] = {}
    for finding in findings:
        if finding.problem:
            same.setdefault((finding.problem, finding.check(finding.problem).sentence), []).append(finding.node)
    return [(_joined(names), *problem) for problem, names in same.items()]


def _joined(names: Sequence[str]) -> str:
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
