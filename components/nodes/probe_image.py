"""The probe image: the smallest image that containerd really pulls, the same bytes on every computer."""

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final

REPOSITORY: Final = "k3s-registry/pull-proof"
_LAYER: Final = base64.b64decode("H4sIAAAJbogA/2IYBaNgFIxYAAgAAP//Lq+17wAEAAA=")
"""An empty tar, gzipped. It is a literal because the digest must not depend on the version of zlib."""
_LAYER_DIFF_ID: Final = "sha256:" + hashlib.sha256(bytes(1024)).hexdigest()
_LAYER_TYPE: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
_CONFIG_TYPE: Final = "application/vnd.oci.image.config.v1+json"
_MANIFEST_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"
_INDEX_TYPE: Final = "application/vnd.oci.image.index.v1+json"
_PLATFORMS: Final[tuple[dict[str, str], ...]] = (
    {"architecture": "amd64", "os": "linux"},
    {"architecture": "arm64", "os": "linux"},
    {"architecture": "arm", "os": "linux", "variant": "v7"},
)
"""The platforms of K3s: the nodes of a mixed cluster pull one digest, and each finds its own platform in it."""


@dataclass(frozen=True, kw_only=True)
class Blob:
    """One part of an image, addressed by its content."""

    media_type: str
    content: bytes

    @property
    def digest(self) -> str:
        """The blob's address: `sha256:` and the hash in hex."""
        return "sha256:" + hashlib.sha256(self.content).hexdigest()

    @property
    def descriptor(self) -> dict[str, Any]:
        """How another part refers to the blob (OCI image specification, descriptor)."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.content)}


@dataclass(frozen=True, kw_only=True)
class ProbeImage:
    """An image index and everything below it."""

    blobs: tuple[Blob, ...]
    """Layer and configurations, which are pushed first."""
    manifests: tuple[Blob, ...]
    """One per platform, pushed before the index, which names them."""
    index: Blob
    """The part that nodes pull by its digest, and the only one that depends on the proof's revision."""


def build(proof_revision: str) -> ProbeImage:
    """The probe image of a proof; another revision has another digest, so that no node has the image already."""
    layer = Blob(media_type=_LAYER_TYPE, content=_LAYER)
    configs: list[Blob] = []
    manifests: list[Blob] = []
    entries: list[dict[str, Any]] = []
    for platform in _PLATFORMS:
        config = _json(
            _CONFIG_TYPE,
            {
                **platform,
                "rootfs": {"type": "layers", "diff_ids": [_LAYER_DIFF_ID]},
            },
        )
        manifest = _json(
            _MANIFEST_TYPE,
            {
                "schemaVersion": 2,
                "mediaType": _MANIFEST_TYPE,
                "config": config.descriptor,
                "layers": [layer.descriptor],
            },
        )
        configs.append(config)
        manifests.append(manifest)
        entries.append({**manifest.descriptor, "platform": platform})
    index = _json(
        _INDEX_TYPE,
        {
            "schemaVersion": 2,
            "mediaType": _INDEX_TYPE,
            "annotations": {"k3s-registry.proof-revision": proof_revision},
            "manifests": entries,
        },
    )
    return ProbeImage(blobs=(layer, *configs), manifests=tuple(manifests), index=index)


def _json(media_type: str, document: dict[str, Any]) -> Blob:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return Blob(media_type=media_type, content=text.encode())
