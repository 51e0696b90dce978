"""Waves: in which order nodes are visited, so that a fault shows on few of them.

Each wave is trusted and proved before the next one begins. A change that breaks pulls therefore stops at the first wave
that it breaks, and the nodes of later waves keep what they have.
"""

from collections.abc import Iterator, Sequence

from components.config.model import Rollout
from components.config.nodes import Node, Role

_SHOWN = 5


def waves(nodes: Sequence[Node], rollout: Rollout, sizes: Sequence[str]) -> list[list[Node]]:
    """The nodes in waves.

    Args:
        nodes: as they are configured.
        rollout: `parallel` is one wave; `serial` is a wave per node, agents first; `waves` follows `sizes`, where the
            servers of a wave become a wave of their own after its agents.
        sizes: how many nodes are done after each wave, as numbers or percentages of all; one more wave has the rest.

    """
    if rollout is Rollout.PARALLEL:
        return [list(nodes)]
    if rollout is Rollout.SERIAL:
        return [[node] for node in sorted(nodes, key=_is_server)]
    found = []
    for wave in _cut(nodes, sizes):
        found += [part for part in (_role(wave, server=False), _role(wave, server=True)) if part]
    return found


def summary(planned: Sequence[Sequence[Node]]) -> str:
    """The waves in words, for a preview."""
    parts = [f"{number}: {_names(wave)}" for number, wave in enumerate(planned, 1)]
    return f"rollout in {len(planned)} waves, each proved before the next begins; " + "; ".join(parts)


def _cut(nodes: Sequence[Node], sizes: Sequence[str]) -> Iterator[Sequence[Node]]:
    done = 0
    for size in [*sizes, "100%"]:
        until = min(max(_count(size, len(nodes)), done), len(nodes))
        if until > done:
            yield nodes[done:until]
        done = until


def _count(size: str, of: int) -> int:
    """The number of nodes; a part of a node counts as one, so that no percentage is none."""
    return -(-of * int(size[:-1]) // 100) if size.endswith("%") else int(size)


def _is_server(node: Node) -> bool:
    return node.role is Role.SERVER


def _role(nodes: Sequence[Node], *, server: bool) -> list[Node]:
    return [node for node in nodes if _is_server(node) is server]


def _names(wave: Sequence[Node]) -> str:
    names = [node.name for node in wave]
    if len(names) <= _SHOWN:
        return ", ".join(names)
    return f"{', '.join(names[: _SHOWN - 1])} and {len(names) - _SHOWN + 1} more"
