"""The kinds of machines in a lab: nodes differ as those of users do, so that every `up` proves each kind."""

from dataclasses import dataclass
from typing import Final

ROOT: Final = "root"
DEFAULT_DATA_DIR: Final = "/var/lib/rancher/k3s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """The properties in which machines differ; the defaults are those of K3s and of a cloud image."""

    user: str = "pi"
    """The name by which a client logs in. Where it is root, the machine has no sudo."""
    data_dir: str = DEFAULT_DATA_DIR
    """The directory in which K3s has its data."""
    disk: str | None = None
    """The mount point of a further disk."""

    @property
    def has_sudo(self) -> bool:
        """Whether the machine has sudo, by which its user becomes root."""
        return self.user != ROOT

    @property
    def login(self) -> str:
        """How a client becomes root there, in words."""
        return f"{self.user} with sudo" if self.has_sudo else f"{self.user}, no sudo"

    @property
    def k3s_flags(self) -> tuple[str, ...]:
        """The words that follow `k3s server` or `k3s agent` in the unit.

        A data-dir is named there, since K3s's installer writes it there (INSTALL_K3S_EXEC="--data-dir ..."), and since
        this is the harder case: K3s's own tools read config.yaml but not the unit, and so look below the default one.
        """
        return () if self.data_dir == DEFAULT_DATA_DIR else ("--data-dir", self.data_dir)

    def k3s(self, *words: str) -> list[str]:
        """A command line of one of K3s's tools that finds this machine's K3s."""
        return ["k3s", f"--data-dir={self.data_dir}", *words]


KINDS: Final = (
    Kind(),
    Kind(data_dir="/mnt/ssd/k3s", disk="/mnt/ssd"),
    Kind(user=ROOT),
)
"""The kinds, in the order in which a lab's machines take turns: the server has nothing out of the ordinary."""


def kind_of(index: int) -> Kind:
    """The kind of the machine at this place in its lab."""
    return KINDS[index % len(KINDS)]
