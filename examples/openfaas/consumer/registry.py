"""The contract with the registry's stack: the outputs that this one reads, and the conditions on them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pulumi

SCHEMA_VERSION: Final = 1
CONSUMED: Final[Mapping[str, type]] = {
    "schemaVersion": int,
    "trustedNodes": list,
    "verifiedNodes": list,
    "imagePrefix": str,
    "registryEndpoint": str,
    "clusterEndpoint": str,
    "trustBundlePem": str,
}
"""Every output that this stack reads, and its type. None of them is secret."""
PUSH_CONFIGS: Final = "pushConfigs"
"""A secret output, which is read only for a builder: by user, a docker configuration."""


@dataclass(frozen=True, kw_only=True)
class Registry:
    """A registry that every trusted node has pulled from."""

    image_prefix: pulumi.Output[str]
    """`host:port/openfaas`; resolves only if the conditions hold."""
    endpoint: pulumi.Output[str]
    """`host:port`, as image names begin."""
    cluster_endpoint: pulumi.Output[str]
    """`service:port`, which pods resolve."""
    trust_bundle_pem: pulumi.Output[str]
    """The certificates of every authority that may sign for the registry."""


def read(stack: pulumi.StackReference) -> Registry:
    """The registry that the stack describes; each of its values fails where the conditions do not hold."""
    outputs = pulumi.Output.all(**{name: stack.require_output(name) for name in CONSUMED}).apply(checked)
    return Registry(
        image_prefix=outputs["imagePrefix"],
        endpoint=outputs["registryEndpoint"],
        cluster_endpoint=outputs["clusterEndpoint"],
        trust_bundle_pem=outputs["trustBundlePem"],
    )


def push_config(stack: pulumi.StackReference, user: str) -> pulumi.Output[str]:
    """The docker configuration with which this user of the registry pushes, as a secret."""
    return stack.require_output(PUSH_CONFIGS).apply(lambda known: chosen(known, user))


def chosen(configs: Mapping[str, str], user: str) -> str:
    """The configuration of a user.

    Raises:
        pulumi.RunError: the registry has no such user; the message names those that it has.

    """
    if user not in configs:
        users = ", ".join(sorted(configs)) or "none"
        message = (
            f"builder: found {user!r}; it must be a user of the registry, whose stack has: {users}; set builder to one "
            "of them, or add the user to auth.users there"
        )
        raise pulumi.RunError(message)
    return configs[user]


def checked(outputs: dict[str, Any]) -> dict[str, Any]:
    """The outputs, if they have the version that this program reads and every trusted node has pulled.

    Raises:
        pulumi.RunError: they have another version, or a node has not pulled.

    """
    if outputs["schemaVersion"] != SCHEMA_VERSION:
        message = f"the registry's outputs have version {outputs['schemaVersion']}; this program reads {SCHEMA_VERSION}"
        raise pulumi.RunError(message)
    unproved = missing(outputs["trustedNodes"], outputs["verifiedNodes"])
    if unproved:
        message = f"nodes {', '.join(unproved)} have not pulled from the registry: run `pulumi up` on its stack first"
        raise pulumi.RunError(message)
    return outputs


def missing(trusted: Collection[str], verified: Collection[str]) -> list[str]:
    """The nodes that trust the registry and have not pulled from it, sorted."""
    return sorted(set(trusted) - set(verified))
