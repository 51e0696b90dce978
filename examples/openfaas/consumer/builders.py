"""What a builder in a pod needs to pull from the registry and push to it: configuration, authority, password.

A pod reads neither the node's trust store nor its hosts file.
"""

from collections.abc import Sequence
from typing import Final

import pulumi
import pulumi_kubernetes as kubernetes

from .registry import Registry

CONFIG_MAP: Final = "registry-authority"
MOUNT_PATH: Final = "/etc/buildkit"
"""Where BuildKit looks for its configuration by itself, so that its pod needs no flag."""
PUSH_SECRET: Final = "registry-push"  # noqa: S105 - the name of a Secret, not its content


def give(registry: Registry, namespace: str, depends_on: Sequence[pulumi.Resource] = ()) -> None:
    """Create the ConfigMap that a builder's pod mounts at /etc/buildkit."""
    kubernetes.core.v1.ConfigMap(
        CONFIG_MAP,
        metadata=kubernetes.meta.v1.ObjectMetaArgs(name=CONFIG_MAP, namespace=namespace),
        data={
            "ca.crt": registry.trust_bundle_pem,
            "buildkitd.toml": pulumi.Output.all(registry.endpoint, registry.cluster_endpoint).apply(
                lambda names: buildkit_config(*names)
            ),
        },
        opts=pulumi.ResourceOptions(depends_on=[*depends_on]),
    )


def let_push(config: pulumi.Input[str], namespace: str, depends_on: Sequence[pulumi.Resource] = ()) -> None:
    """Create the Secret with the docker configuration that builders push with."""
    kubernetes.core.v1.Secret(
        PUSH_SECRET,
        metadata=kubernetes.meta.v1.ObjectMetaArgs(name=PUSH_SECRET, namespace=namespace),
        type="kubernetes.io/dockerconfigjson",
        string_data={".dockerconfigjson": config},
        opts=pulumi.ResourceOptions(depends_on=[*depends_on]),
    )


def buildkit_config(endpoint: str, cluster_endpoint: str) -> str:
    """BuildKit's configuration: both names of the registry, and how its public name is reached where it is unknown.

    A Dockerfile names its base image as nodes do, by `endpoint`. Pods that cannot resolve that name are sent to the
    registry's Service. A push goes to the name that the image has, so it needs `cluster_endpoint`.
    """
    authority = f'  ca=["{MOUNT_PATH}/ca.crt"]\n'
    public = f'[registry."{endpoint}"]\n{authority}  mirrors=["{cluster_endpoint}"]\n'
    return public + f'[registry."{cluster_endpoint}"]\n{authority}'
