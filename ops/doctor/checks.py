"""The checks, in the order in which a pull needs them, and what one node said about them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

REACHABLE, HOST_KEY = "reachable", "hostKey"
"""The two checks that this computer makes; the node itself makes the others."""
CHECKS: Final[Mapping[str, str]] = {
    REACHABLE: "reach-\nable",
    HOST_KEY: "host\nkey",
    "k3s": "K3s",
    "ca": "CA",
    "store": "store",
    "hosts": "hosts",
    "registries": "registries\n.yaml",
    "hostsToml": "hosts\n.toml",
    "clock": "clock",
    "name": "name",
    "route": "route",
    "tls": "TLS",
    "pull": "pull",
}
"""Each check's name in JSON, and the title of its column."""


class Outcome(StrEnum):
    """How one check ended."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check of one node."""

    outcome: Outcome = Outcome.SKIPPED
    sentence: str = ""
    """What was found, the rule and the remedy, if it failed; without the node's name."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One node."""

    node: str
    offline: bool = False
    """Whether the configuration marks it so: it was not asked."""
    version: str = ""
    """K3s's."""
    checks: Mapping[str, Check] = field(default_factory=dict)

    def check(self, name: str) -> Check:
        """One check; skipped if it was not made."""
        return self.checks.get(name, Check())

    @property
    def problem(self) -> str | None:
        """The first check that failed."""
        return next((name for name in CHECKS if self.check(name).outcome is Outcome.FAILED), None)

    @property
    def state(self) -> str:
        """The node in one word."""
        return "offline" if self.offline else "failed" if self.problem else "ok"
