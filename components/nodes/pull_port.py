"""The port that the nodes have to themselves: refuses an `up` in which a node would be sent to a closed door."""

from collections.abc import Callable, Mapping
from typing import Any

import pulumi

from components.config.auth import AuthSettings
from components.nodes import script
from components.nodes.command import node_name


def hook(name: str, auth: AuthSettings, closes: Callable[[], bool]) -> pulumi.ResourceHook:
    """A hook of the nodes' commands that refuses a preview in which pulls would fail on a node for a while.

    Only a preview: once clients need a password, the change of the node is what ends the failures.

    Args:
        name: the prefix of the hook's name.
        auth: the configuration.
        closes: whether this is the `up` from which on clients need a password.

    """

    def judge(change: pulumi.ResourceHookArgs) -> None:
        reason = closed_door(announced_port(change.old_inputs), auth, closes=closes())
        if reason is not None and pulumi.runtime.is_dry_run():
            message = f"node {node_name(change.name)}: {reason}"
            raise pulumi.RunError(message)

    return pulumi.ResourceHook(f"{name}-pull-port", judge, pulumi.ResourceHookOptions(on_dry_run=True))


def announced_port(inputs: Mapping[str, Any] | None) -> int | None:
    """The port by which a node pulls, as its command's own `stdin` announces it; None if it has none to itself."""
    text = (inputs or {}).get("stdin")
    port = script.setting(text, "pull_port") if isinstance(text, str) else None
    return int(port) if port else None


def closed_door(before: int | None, auth: AuthSettings, *, closes: bool) -> str | None:
    """Why pulls would fail on a node that pulled by this port before, or None if they would not.

    A node that missed the change while it was off cannot pull in any case, so it may follow later.
    """
    if not auth.enforced or before == auth.pull_port or (before is None and not closes):
        return None
    found = "by the port that everybody uses" if before is None else f"by port {before}"
    return (
        f"still pulls {found}, and passwords are required there or nothing answers from this `up` on; every node must "
        "know auth.pullPort before that; set auth.anonymous to true, run `pulumi up`, and set it to false in the next "
        "`up` (docs/operating.md)"
    )
