"""The Pulumi program: configuration in, registry and proved nodes out."""

import pulumi
import pulumi_kubernetes as kubernetes

from components.config import source
from components.registry_stack import RegistryStack, RegistryStackArgs

config = source.read()
cluster = kubernetes.Provider(
    "cluster",
    kubeconfig=source.secret("kubeconfig"),
    context=config.kubernetes.context,
    # Without it, another context in the kubeconfig makes the provider plan to replace every object, images included.
    cluster_identifier=config.kubernetes.cluster_name or pulumi.get_stack(),
    # A renewed certificate updates the Secret in place; replaced, it would be gone for a moment.
    enable_secret_mutable=True,
    # The same holds for the pods' trust bundle. Where pods get nothing, the provider's inputs stay as they are.
    enable_config_map_mutable=config.pods.anything or None,
)
stack = RegistryStack(
    "registry",
    RegistryStackArgs(
        config=config,
        ssh_private_key=source.secret("sshPrivateKey"),
        external_authority_key=source.secret("caPrivateKey"),
        passwords=source.passwords(config),
        upstream_passwords=source.upstream_passwords(config),
        s3_keys=source.s3_keys(config),
    ),
    opts=pulumi.ResourceOptions(providers=[cluster]),
)
for name, value in stack.outputs.exports().items():
    pulumi.export(name, value)
