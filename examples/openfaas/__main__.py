"""An OpenFaaS stack that uses the registry's outputs: image prefix, authority, and the proof that nodes can pull."""

from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

SCHEMA_VERSION = 1


def checked(outputs: dict[str, Any]) -> str:
    """The image prefix, after checking the version of the outputs and that every trusted node has pulled.

    Raises:
        pulumi.RunError: the outputs have another version, or a node has not pulled.

    """
    if outputs["schemaVersion"] != SCHEMA_VERSION:
        message = f"the registry's outputs have version {outputs['schemaVersion']}; this program reads {SCHEMA_VERSION}"
        raise pulumi.RunError(message)
    unproved = sorted(set(outputs["trustedNodes"]) - set(outputs["verifiedNodes"]))
    if unproved:
        message = f"nodes {', '.join(unproved)} have not pulled from the registry: run `pulumi up` on its stack first"
        raise pulumi.RunError(message)
    return str(outputs["imagePrefix"])


config = pulumi.Config()
registry = pulumi.StackReference(config.require("registryStack"))
prefix = pulumi.Output.all(
    **{
        name: registry.require_output(name)
        for name in ("schemaVersion", "trustedNodes", "verifiedNodes", "imagePrefix")
    }
).apply(checked)

functions = kubernetes.core.v1.Namespace(
    "functions", metadata=kubernetes.meta.v1.ObjectMetaArgs(name=config.require("namespace"))
)
# For builders in pods (BuildKit, kaniko), which read neither the node's trust store nor its hosts file.
authority = kubernetes.core.v1.ConfigMap(
    "registry-authority",
    metadata=kubernetes.meta.v1.ObjectMetaArgs(name="registry-authority", namespace=functions.metadata.name),
    data={
        "ca.crt": registry.require_output("trustBundlePem"),
        "buildkitd.toml": registry.require_output("buildkitConfig"),
    },
)

pulumi.export("OPENFAAS_PREFIX", prefix)
pulumi.export("exampleImage", pulumi.Output.concat(prefix, "/hello:latest"))
