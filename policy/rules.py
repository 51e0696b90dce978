"""The rules of the policy pack, as functions of what the engine knows of resources.

They repeat what the program does by itself, on purpose: a change of the program has to pass them too.
"""

import base64
import contextlib
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from pulumi_policy import PolicyResource

_PRIVATE_KEY: Final = "PRIVATE KEY-----"
_PACKED: Final = re.compile(r"(?:[A-Za-z0-9+/]{4}){16,}")
_WRAPPED: Final = re.compile(r"(?:^[A-Za-z0-9+/]{60,76}\n)+[A-Za-z0-9+/]*", re.MULTILINE)
"""What `base64` prints unless it is told not to break lines."""
_GZIP: Final = 31
"""zlib's number for data with the header of gzip."""
_BY_DIGEST: Final = re.compile(r"@sha256:[0-9a-f]{64}")
_TO_CONTAINERS: Final = ("spec", "jobTemplate", "template")
"""The way to a pod's containers; beside it are values that a preview does not know, and may not be asked for."""
_CONTAINERS: Final = ("containers", "initContainers")
_CLAIM: Final = "kubernetes:core/v1:PersistentVolumeClaim"
_OF_A_CACHE: Final = "k3s-registry:index:Caches$"
_SIGNED: Final = "tls:index/locallySignedCert:LocallySignedCert"
_ISSUER: Final = ("caPrivateKeyPem", "caCertPem")
_OF_AUTHORITY: Final = ("tls:index/privateKey:PrivateKey", "tls:index/selfSignedCert:SelfSignedCert")


def private_keys(kind: str, inputs: Mapping[str, Any]) -> Iterator[str]:
    """Each input that would bring a private key to a node; the key of the SSH client itself stays with the client."""
    if kind.startswith("command:remote:"):
        for name in inputs:
            if name != "connection" and any(_PRIVATE_KEY in text for text in _texts(inputs[name])):
                yield f"{name} contains a private key, and no node may learn one; send the certificate alone"


def unpinned_hosts(kind: str, inputs: Mapping[str, Any]) -> Iterator[str]:
    """Each SSH server that would be trusted whoever answers."""
    if kind.startswith("command:remote:"):
        connection = inputs["connection"]
        for place, server in (("connection", connection), ("connection.proxy", connection.get("proxy"))):
            if server is not None and not server.get("hostKey"):
                yield f"{place}.hostKey is missing, so any machine could pose as {server.get('host')}; set hostKey"


def unpinned_images(kind: str, inputs: Mapping[str, Any]) -> Iterator[str]:
    """Each image of a container that may be another one tomorrow."""
    if kind.startswith("kubernetes:"):
        for image in _images(inputs):
            if not _BY_DIGEST.search(image):
                yield (
                    f"image {image} is not pinned by digest, so the tag decides what runs; write {image}@sha256:... "
                    "(`crane digest` prints it)"
                )


def unprotected(resources: Iterable[PolicyResource]) -> Iterator[tuple[str, str]]:
    """URN and sentence of each resource whose loss nothing could mend, and that a change may delete."""
    known = list(resources)
    issuing = {
        source.urn
        for one in known
        if one.resource_type == _SIGNED
        for name in _ISSUER
        for source in one.property_dependencies.get(name, ())
        if source.resource_type in _OF_AUTHORITY
    }
    for one in known:
        if one.opts.protect:
            continue
        if one.urn in issuing:
            yield one.urn, "the issuing authority is not protected; set certificates.protect to true"
        # Whatever a cache has lost it pulls again.
        if one.resource_type == _CLAIM and _OF_A_CACHE not in one.urn:
            yield one.urn, "the claim that holds the images is not protected; set storage.protect to true"


def _texts(value: Any) -> Iterator[str]:
    """Every string in a value, and what is packed in it as base64 and gzip, as scripts for nodes are."""
    if isinstance(value, str):
        yield value
        wrapped = ("".join(block.split("\n")) for block in _WRAPPED.findall(value))
        for packed in _PACKED.findall("\0".join((value, *wrapped))):
            yield from _texts(_unpacked(packed))
    elif isinstance(value, Mapping):
        for name in value:
            yield from _texts(value[name])
    elif isinstance(value, Sequence):
        for item in value:
            yield from _texts(item)


def _unpacked(packed: str) -> str:
    data = base64.b64decode(packed)
    with contextlib.suppress(zlib.error):
        data = zlib.decompressobj(_GZIP).decompress(data)
    return data.decode("ascii", errors="replace")


def _images(value: Any) -> Iterator[str]:
    """The image of every container in an object, however deep its pod's template is."""
    if not isinstance(value, Mapping):
        return
    for name in _TO_CONTAINERS:
        yield from _images(value.get(name))
    for name in _CONTAINERS:
        yield from (container["image"] for container in value.get(name) or () if "image" in container)
