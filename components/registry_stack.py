"""RegistryStack: a private registry, and every node's proof that it can pull from it.

Composes certificates, registry, nodes and pull proof, and gathers what the next stack needs. Holds no detail of its
own, and builds no provider: the caller passes one for the cluster.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pulumi

from components.certificate_bundle import fingerprints
from components.certificates import Certificates, CertificatesArgs
from components.config import StackConfig
from components.nodes import Nodes, NodesArgs, Trust
from components.pull_proof import PullProof, PullProofArgs
from components.registry import SERVICE_NAME, Registry, RegistryArgs, revision

SCHEMA_VERSION: Final = 1
"""Version of the outputs' names and meanings. A consumer may rely on them while it stays the same."""


@dataclass(frozen=True, kw_only=True)
class RegistryStackArgs:
    """The checked configuration, and the one secret that does not stand in it."""

    config: StackConfig
    ssh_private_key: pulumi.Input[str] | None = None
    """Key for the nodes' SSH servers; None leaves the choice to the agent."""
    external_authority_key: pulumi.Input[str] | None = None
    """Key of the authority that was made elsewhere, if there is one."""


class RegistryStack(pulumi.ComponentResource):
    """The whole: it is there only if every node that is not offline has pulled from it."""

    outputs: Mapping[str, pulumi.Input[Any]]
    """What the stack exports, by its public name."""

    def __init__(self, name: str, args: RegistryStackArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("k3s-registry:index:RegistryStack", name, {}, opts)
        config = args.config
        trust = Trust(
            registry=endpoint(config.hostname, config.port),
            address=config.address,
            names=(config.hostname, *config.aliases),
            system_trust=config.system_trust,
            audit=config.audit,
        )
        certificates = Certificates(
            f"{name}-certificates",
            CertificatesArgs(
                hostname=config.hostname,
                dns_names=(*trust.names, *service_names(config.namespace)),
                ip=config.address,
                plan=config.certificates,
                external_key_pem=args.external_authority_key or "",
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        registry_args = RegistryArgs(
            namespace=config.namespace,
            create_namespace=config.create_namespace,
            storage=config.storage,
            image=config.image,
            image_pull_policy=config.image_pull_policy,
            node_selector=config.node_selector,
            load_balancer=config.load_balancer,
            ip=config.address,
            port=config.port,
            server_certificate_pem=certificates.server_certificate_pem,
            server_key_pem=certificates.server_key_pem,
        )
        registry = Registry(f"{name}-server", registry_args, opts=pulumi.ResourceOptions(parent=self))
        nodes = Nodes(
            f"{name}-nodes",
            NodesArgs(
                nodes=config.nodes,
                trust=trust,
                bundle_pem=certificates.bundle_pem,
                private_key=args.ssh_private_key,
                rollout=config.rollout,
                gap=certificates.gap,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        proof = PullProof(
            f"{name}-proof",
            PullProofArgs(
                nodes=config.nodes,
                trust=trust,
                port=config.port,
                service=f"{config.namespace}/{SERVICE_NAME}",
                bundle_pem=certificates.bundle_pem,
                server_certificate_pem=certificates.server_certificate_pem,
                private_key=args.ssh_private_key,
                rollout=config.rollout,
                trusted=nodes.commands,
                registry=[registry.deployment, registry.service],
                registry_revision=revision(registry_args),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.outputs = {
            **addresses(config),
            "caCertPem": certificates.issuer_pem,
            "trustBundlePem": certificates.bundle_pem,
            "caFingerprintSha256": certificates.issuer_pem.apply(lambda pem: fingerprints(pem)[0]),
            "caNotAfter": certificates.issuer_not_after,
            "serverNotAfter": certificates.server_not_after,
            "nodes": pulumi.Output.all(revisions=nodes.revisions, digests=proof.digests).apply(
                lambda known: node_table(known["revisions"], known["digests"])
            ),
            "trustedNodes": nodes.revisions.apply(sorted),
            "verifiedNodes": proof.digests.apply(sorted),
            "unlistedNodes": proof.unlisted.apply(lambda missing: missing or []),
            "offlineNodes": sorted(node.name for node in config.nodes if node.offline),
        }
        self.register_outputs(dict(self.outputs))


def endpoint(hostname: str, port: int) -> str:
    """The one spelling of the registry that image names, hosts.toml and registries.yaml share."""
    return f"{hostname}:{port}"


def service_names(namespace: str) -> tuple[str, str, str]:
    """Names of the registry's Service in the cluster's DNS, for clients in pods."""
    short = f"{SERVICE_NAME}.{namespace}"
    return (short, f"{short}.svc", f"{short}.svc.cluster.local")


def addresses(config: StackConfig) -> dict[str, str | int]:
    """The outputs that follow from the configuration alone."""
    registry = endpoint(config.hostname, config.port)
    certificates_folder = f"/etc/docker/certs.d/{registry}"
    return {
        "schemaVersion": SCHEMA_VERSION,
        "registryHost": config.hostname,
        "registryPort": config.port,
        "registryEndpoint": registry,
        "registryUrl": f"https://{registry}",
        "registryIp": config.address,
        "imagePrefix": f"{registry}/openfaas",
        "clusterEndpoint": endpoint(service_names(config.namespace)[-1], config.port),
        "namespace": config.namespace,
        "dockerCertsDir": certificates_folder,
        "buildkitConfig": f'[registry."{registry}"]\n  ca=["{certificates_folder}/ca.crt"]\n',
    }


def node_table(revisions: Mapping[str, str], digests: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """What each node reported: the revision it trusts and, unless it is offline, the digest it pulled."""
    return {
        name: {"trustRevision": revisions[name]} | ({"pulledDigest": digests[name]} if name in digests else {})
        for name in sorted(revisions)
    }
