"""A registry's images on disk, in distribution's layout, and the real scripts on them."""

import hashlib
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.registry.handover import scripts

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
_RUN = "\ncheck_version\n"
"""Where the functions of cleanup.sh end and its run begins."""


def functions() -> str:
    """The functions of the clean-up, without its run."""
    text, run, _ = scripts()["cleanup.sh"].rpartition(_RUN)
    assert run
    return text


@dataclass
class ImageStore:
    """Images below `root`, written as the registry writes them."""

    root: Path
    second: int = 1_700_000_000
    sizes: dict[str, int] = field(default_factory=dict)

    @property
    def images(self) -> Path:
        """The directory that the registry's pod mounts."""
        return self.root / "registry"

    def _repository(self, name: str) -> Path:
        return self.images / "docker/registry/v2/repositories" / name

    def _link(self, path: Path, digest: str) -> None:
        path.mkdir(parents=True, exist_ok=True)
        (path / "link").write_text(digest)
        os.utime(path / "link", (self.second, self.second))

    def blob(self, content: bytes) -> str:
        """Store content; returns its digest."""
        digest = hashlib.sha256(content).hexdigest()
        path = self.images / "docker/registry/v2/blobs/sha256" / digest[:2] / digest
        path.mkdir(parents=True, exist_ok=True)
        (path / "data").write_bytes(content)
        return f"sha256:{digest}"

    def _layer(self, repository: str, content: bytes) -> dict[str, Any]:
        digest = self.blob(content)
        self._link(self._repository(repository) / "_layers/sha256" / digest[7:], digest)
        return {"mediaType": "application/octet-stream", "digest": digest, "size": len(content)}

    def manifest(self, repository: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """Store a manifest; returns its descriptor. Each comes a second after the one before."""
        self.second += 1
        content = json.dumps(document).encode()
        digest = self.blob(content)
        self._link(self._repository(repository) / "_manifests/revisions/sha256" / digest[7:], digest)
        return {"mediaType": document["mediaType"], "digest": digest, "size": len(content)}

    def image(self, repository: str, mark: str, **more: Any) -> dict[str, Any]:
        """Store an image with two blobs of its own."""
        config = self._layer(repository, json.dumps({"mark": mark}).encode())
        layer = self._layer(repository, f"layer of {mark}".encode() * 50)
        document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer], **more}
        return self.manifest(repository, document)

    def index(self, repository: str, *children: Mapping[str, Any]) -> dict[str, Any]:
        """Store an index of manifests."""
        return self.manifest(repository, {"schemaVersion": 2, "mediaType": INDEX, "manifests": [*children]})

    def tag(self, repository: str, name: str, descriptor: Mapping[str, Any]) -> None:
        """Point a tag to a manifest."""
        digest = descriptor["digest"]
        folder = self._repository(repository) / "_manifests/tags" / name
        self._link(folder / "current", digest)
        self._link(folder / "index/sha256" / digest[7:], digest)

    def tags(self, repository: str) -> set[str]:
        """The tags of a repository."""
        folder = self._repository(repository) / "_manifests/tags"
        return {path.name for path in folder.iterdir()} if folder.exists() else set()

    def complete(self, repository: str, descriptor: Mapping[str, Any]) -> bool:
        """Whether a client could pull a manifest with everything that it refers to."""
        digest = descriptor["digest"]
        data = self.images / "docker/registry/v2/blobs/sha256" / digest[7:9] / digest[7:] / "data"
        if (
            not data.exists()
            or not (self._repository(repository) / "_manifests/revisions/sha256" / digest[7:]).exists()
        ):
            return False
        document = json.loads(data.read_bytes())
        parts = [document["config"], *document["layers"]] if "config" in document else []
        for part in parts:
            hexadecimal = part["digest"][7:]
            if not (self._repository(repository) / "_layers/sha256" / hexadecimal / "link").exists():
                return False
            if not (self.images / "docker/registry/v2/blobs/sha256" / hexadecimal[:2] / hexadecimal / "data").exists():
                return False
        return all(self.complete(repository, child) for child in document.get("manifests", ()))

    def snapshot(self) -> dict[str, bytes]:
        """Every file and its content."""
        return {str(path.relative_to(self.root)): path.read_bytes() for path in self.root.rglob("*") if path.is_file()}


@dataclass(frozen=True)
class Cleaner:
    """The scripts on a store, in one shell."""

    store: ImageStore
    shell: tuple[str, ...]
    path: str
    work: Path

    def run(
        self, commands: str, *, text: str = "", check: bool = True, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """Run commands after the functions of the clean-up."""
        self.work.mkdir(exist_ok=True)
        (self.work / "used").touch()
        configuration = self.work / "config.yml"
        configuration.write_text(f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {self.store.images}}}}}\n")
        environment = {
            "PATH": self.path,
            "OTEL_TRACES_EXPORTER": "none",
            "images": str(self.store.images),
            "claim": str(self.store.root),
            "work": str(self.work),
            "configuration": str(configuration),
            "keep": "2",
            "keep_patterns": "",
            **settings,
        }
        script = self.work / "script.sh"
        script.write_text(f"{functions()}\n{commands}\n")
        done = subprocess.run(
            [*self.shell, str(script)], input=text, env=environment, capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def collect(self, *used: str, keep_patterns: str = "", before: str = "", check: bool = True) -> str:
        """Plan and delete; `used` are lines of the list of images in use, and `before` commands that come first."""
        self.work.mkdir(exist_ok=True)
        (self.work / "used").write_text("".join(f"{line}\n" for line in used))
        commands = f'{before}\nplan; report "Deletes"; delete; say "$unneeded_bytes"'
        return self.run(commands, check=check, keep_patterns=keep_patterns).stdout
