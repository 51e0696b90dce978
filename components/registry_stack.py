"""RegistryStack: a private registry, and every node's proof that it can pull from it.

Composes certificates, registry, nodes and pull proof, and gathers the outputs for the next stack. It holds no detail of
its own and creates no provider: the caller passes one for the cluster.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

from components import outputs
from components.certificates.certificates import Certificates, CertificatesArgs
from components.config.model import Rollout, StackConfig
from components.nodes.proof import PullProof, PullProofArgs
from components.nodes.trust import Nodes, NodesArgs
from components.nodes.waves import summary, waves
from components.outputs import Outputs
from components.registry.address import qualified_service_name, service_names
from components.registry.caches import Caches, CachesArgs
from components.registry.cleanup import Cleanup, CleanupArgs
from components.registry.monitoring import RegistryMonitoring, RegistryMonitoringArgs
from components.registry.pod_access import PodAccess, PodAccessArgs
from components.registry.registry import Registry, RegistryArgs


@dataclass(frozen=True, kw_only=True)
class RegistryStackArgs:
    """The checked configuration, and the secret keys, which it does not hold."""

    config: StackConfig
    ssh_private_key: pulumi.Input[str] | None = None
    """Key for the nodes' SSH servers; None leaves the choice to the agent."""
    external_authority_key: pulumi.Input[str] | None = None
    """Key of the authority that was created elsewhere; None if there is none."""
    passwords: pulumi.Input[Mapping[str, str]] = field(default_factory=dict)
    """Those of the registry's users, by name."""
    upstream_passwords: pulumi.Input[Mapping[str, str]] = field(default_factory=dict)
    """With which caches pull, by the name of the upstream."""
    s3_keys: pulumi.Input[Mapping[str, str]] = field(default_factory=dict)
    """Those of the bucket, by their names in the configuration; empty without a bucket."""


class RegistryStack(pulumi.ComponentResource):
    """The complete registry. Creation succeeds only if every online node has pulled from it."""

    outputs: Outputs

    def __init__(self, name: str, args: RegistryStackArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("k3s-registry:index:RegistryStack", name, {}, opts)
        config = args.config
        certificates = Certificates(
            f"{name}-certificates",
            CertificatesArgs(
                hostname=config.hostname,
                dns_names=(*config.names, *service_names(config.namespace), *config.certificate_settings.dns_names),
                addresses=(
                    config.address,
                    *(cache.address for cache in config.cache.values()),
                    *config.certificate_settings.addresses,
                ),
                plan=config.certificates,
                external_key_pem=args.external_authority_key,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        registry_args = RegistryArgs(
            settings=config,
            server_certificate_pem=certificates.server_certificate_pem,
            server_key_pem=certificates.server_key_pem,
            passwords=args.passwords,
            s3_keys=args.s3_keys,
        )
        registry = Registry(f"{name}-server", registry_args, opts=pulumi.ResourceOptions(parent=self))
        if config.pods.anything:
            PodAccess(
                f"{name}-pods",
                PodAccessArgs(settings=config, bundle_pem=certificates.bundle_pem, namespace=registry.namespace),
                opts=pulumi.ResourceOptions(parent=self),
            )
        if config.cleanup.schedule is not None:
            Cleanup(
                f"{name}-cleanup",
                CleanupArgs(settings=config, registry=[registry.deployment], namespace=registry.namespace),
                opts=pulumi.ResourceOptions(parent=self),
            )
        caches: list[pulumi.Resource] = []
        if config.cache:
            caches = Caches(
                f"{name}-caches",
                CachesArgs(
                    settings=config,
                    server_certificate_pem=certificates.server_certificate_pem,
                    server_key_pem=certificates.server_key_pem,
                    passwords=args.upstream_passwords,
                    namespace=registry.namespace,
                ),
                opts=pulumi.ResourceOptions(parent=self),
            ).services
        nodes = Nodes(
            f"{name}-nodes",
            NodesArgs(
                config=config,
                bundle_pem=certificates.bundle_pem,
                private_key=args.ssh_private_key,
                gap=certificates.guard.gap,
                closes=lambda: registry.guard.closes,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        proof = PullProof(
            f"{name}-proof",
            PullProofArgs(
                config=config,
                service=qualified_service_name(config.namespace),
                bundle_pem=certificates.bundle_pem,
                server_certificate_pem=certificates.server_certificate_pem,
                private_key=args.ssh_private_key,
                registry=[registry.deployment, registry.service],
                login=registry.login,
                registry_revision=registry.revision,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        planned = waves(config.nodes, config.rollout, config.waves)
        if config.rollout is Rollout.WAVES and pulumi.runtime.is_dry_run():
            pulumi.log.info(summary(planned), resource=nodes)
        # A node that is sent to a port of its own finds it open, and the guard knows by then what becomes of the other.
        before = [registry.deployment, registry.service, *caches] if config.auth.configured else caches
        for wave in planned:
            trusted = nodes.visit(wave, before)
            before = [*proof.visit(wave, trusted).values()] or before
        proved = proof.finish()
        if config.monitoring.exposes_metrics:
            RegistryMonitoring(
                f"{name}-monitoring",
                RegistryMonitoringArgs(
                    settings=config,
                    renew_days=config.certificates.renew_days,
                    server_not_after=certificates.server_not_after,
                    issuer_not_after=certificates.issuer_not_after,
                    oldest_proof=proved.oldest,
                    namespace=registry.namespace,
                ),
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.outputs = outputs.gather(config, certificates, args.passwords, nodes.finish(), proved)
        self.register_outputs(self.outputs.exports())
