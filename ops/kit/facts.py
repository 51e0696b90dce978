"""What the files of a kit are about, from the stack's outputs."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ops.failure import OpsError

_MARK: Final = "# k3s-registry"
_NEEDED: Final = ("buildkitConfig", "registryHost", "registryIp", "clusterEndpoint", "trustBundlePem", "pushConfigs")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The registry, as a client needs to know it."""

    endpoints: tuple[str, ...]
    """`host:port`, as image names begin, and what else they may begin with: they may leave out port 443."""
    host: str
    address: str
    buildkit: str
    """BuildKit's configuration, which names the file that docker reads."""
    cluster_endpoint: str
    bundle: str
    """The certificates of all authorities, in PEM: while one replaces another, clients need both."""

    @classmethod
    def of(cls, outputs: Mapping[str, Any]) -> "Facts":
        """The facts that a stack's outputs contain.

        Raises:
            OpsError: one of them is missing, as after an `up` that failed.

        """
        missing = [name for name in _NEEDED if name not in outputs]
        if missing:
            message = f"the stack has no output {', '.join(missing)}: run `pulumi up` first"
            raise OpsError(message)
        return cls(
            endpoints=tuple(tomllib.loads(outputs["buildkitConfig"])["registry"]),
            host=outputs["registryHost"],
            address=outputs["registryIp"],
            buildkit=outputs["buildkitConfig"],
            cluster_endpoint=outputs["clusterEndpoint"],
            bundle=outputs["trustBundlePem"],
        )

    @property
    def endpoint(self) -> str:
        """`host:port`, as image names begin."""
        return self.endpoints[0]

    @property
    def hosts_line(self) -> str:
        """The line of a hosts file, with a mark by which it is found again when the address has changed."""
        return f"{self.address} {self.host} {_MARK}"

    @property
    def hosts_lines(self) -> str:
        """The expression for sed that finds such lines, whatever their address."""
        return f"/ {self.host.replace('.', '[.]')} {_MARK}$/d"

    @property
    def enter_name(self) -> str:
        """The command that enters the name in the hosts file. `$a` comes first, or the last line would be lost."""
        return f"sudo sed -i -e '$a {self.hosts_line}' -e '{self.hosts_lines}' /etc/hosts"
