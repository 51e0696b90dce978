"""The stack's outputs: the contract with the stacks that consume them by `StackReference`."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

import pulumi

from components.certificates.bundle import fingerprints
from components.certificates.certificates import Certificates
from components.config.model import StackConfig
from components.nodes.proof import Proved
from components.registry.address import cluster_endpoint
from components.registry.passwords import docker_configs

SCHEMA_VERSION: Final = 1
"""Version of the outputs' names and meanings. A consumer may rely on them while it stays the same."""


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What the stack exports: one field per output, none of them secret except the last.

    The public name of an output is the field's name in camel case.
    """

    schema_version: int = SCHEMA_VERSION
    """The version of the outputs' names and meanings."""
    registry_host: str
    """The registry's host name."""
    registry_port: int
    """The registry's TCP port."""
    registry_endpoint: str
    """`host:port`, as image names begin; they may leave out port 443."""
    registry_url: str
    """`https://host:port`."""
    registry_ip: str
    """The registry's address on the LAN."""
    image_prefix: str
    """`host:port/openfaas`, for `OPENFAAS_PREFIX` and `stack.yaml`."""
    cluster_endpoint: str
    """`service:port`, for clients in pods; the service's name is fully qualified."""
    namespace: str
    """The namespace that the registry runs in."""
    docker_certs_dir: str
    """The directory on a workstation in which docker expects the trust bundle, as `ca.crt`."""
    buildkit_config: str
    """Configuration for `docker buildx create --config`, in TOML."""
    ca_cert_pem: pulumi.Output[str]
    """The certificate of the authority that issued the server certificate, in PEM."""
    trust_bundle_pem: pulumi.Output[str]
    """The certificates of all authorities that nodes trust, in PEM and in the configured order."""
    ca_fingerprint_sha256: pulumi.Output[str]
    """SHA-256 of the issuing authority's certificate, in lower-case hex."""
    ca_not_after: pulumi.Output[str]
    """When the issuing authority's certificate ends, in RFC 3339."""
    server_not_after: pulumi.Output[str]
    """When the server certificate ends, in RFC 3339."""
    nodes: pulumi.Output[dict[str, dict[str, str]]]
    """By node name: `trustRevision` and, unless the node is offline, `pulledDigest`."""
    trusted_nodes: pulumi.Output[list[str]]
    """Names of the nodes that trust the registry, sorted; an offline node as of its last visit."""
    verified_nodes: pulumi.Output[list[str]]
    """Names of the nodes that have pulled from the registry, sorted."""
    offline_nodes: list[str]
    """Names of the nodes that the configuration marks offline, sorted."""
    unlisted_nodes: pulumi.Output[list[str]]
    """Names of the cluster's nodes that the configuration does not list, sorted, as of the servers' last proof."""
    push_configs: pulumi.Output[dict[str, str]]
    """Secret. By user: the docker configuration, in JSON, by every name of the registry; empty without users."""

    def exports(self) -> dict[str, Any]:
        """Each output by its public name."""
        return {public_name(field.name): getattr(self, field.name) for field in fields(self)}


def public_name(field: str) -> str:
    """The name under which the stack exports a field: `registry_ip` is `registryIp`."""
    first, *others = field.split("_")
    return first + "".join(word.capitalize() for word in others)


def gather(
    config: StackConfig,
    certificates: Certificates,
    passwords: pulumi.Input[Mapping[str, str]],
    revisions: pulumi.Output[dict[str, str]],
    proved: Proved,
) -> Outputs:
    """The outputs of a stack with this configuration, these certificates and passwords, and what its nodes reported."""
    endpoint = config.endpoint
    inside = cluster_endpoint(config.namespace, config.port)
    logins = pulumi.Output.from_input(passwords).apply(lambda known: docker_configs(known, [*config.endpoints, inside]))
    return Outputs(
        registry_host=config.hostname,
        registry_port=config.port,
        registry_endpoint=endpoint,
        registry_url=f"https://{endpoint}",
        registry_ip=config.address,
        image_prefix=f"{endpoint}/openfaas",
        cluster_endpoint=inside,
        namespace=config.namespace,
        docker_certs_dir=docker_certs_dir(endpoint),
        buildkit_config="".join(buildkit_config(each, docker_certs_dir(endpoint)) for each in config.endpoints),
        ca_cert_pem=certificates.issuer_pem,
        trust_bundle_pem=certificates.bundle_pem,
        ca_fingerprint_sha256=certificates.issuer_pem.apply(lambda pem: fingerprints(pem)[0]),
        ca_not_after=certificates.issuer_not_after,
        server_not_after=certificates.server_not_after,
        nodes=pulumi.Output.all(revisions, proved.digests).apply(lambda known: node_table(known[0], known[1])),
        trusted_nodes=revisions.apply(sorted),
        verified_nodes=proved.digests.apply(sorted),
        offline_nodes=sorted(node.name for node in config.nodes if node.offline),
        unlisted_nodes=proved.unlisted.apply(lambda missing: missing or []),
        push_configs=logins,
    )


def docker_certs_dir(endpoint: str) -> str:
    """The directory that docker reads the trust bundle for this registry from."""
    return f"/etc/docker/certs.d/{endpoint}"


def buildkit_config(endpoint: str, certs_dir: str) -> str:
    """BuildKit's configuration for this registry: it trusts the same file as docker."""
    return f'[registry."{endpoint}"]\n  ca=["{certs_dir}/ca.crt"]\n'


def node_table(revisions: Mapping[str, str], digests: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """For each node the revision of its trust and, unless it is offline, the digest that it pulled."""
    return {
        name: {"trustRevision": revisions[name]} | ({"pulledDigest": digests[name]} if name in digests else {})
        for name in sorted(revisions)
    }
