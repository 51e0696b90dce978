"""A registry with a clean-up: pushes of any shape, and runs of the clean-up by hand."""

import base64
import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from components.nodes.probe_image import Blob, ProbeImage, build
from lab.tests.waiting import wait_until

from .deployed import Deployed

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
NAMESPACE = "docker-registry"
JOB_SECONDS = 240
_RAW_PUSH = Path(__file__).with_name("raw_push.py")


def image(mark: str, **more: Any) -> tuple[list[Blob], Blob]:
    """The blobs and the manifest of a small image; `more` goes into the manifest."""
    layer = Blob(media_type="application/vnd.oci.image.layer.v1.tar", content=(mark * 1000).encode())
    config = Blob(media_type="application/vnd.oci.image.config.v1+json", content=json.dumps({"mark": mark}).encode())
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.descriptor,
        "layers": [layer.descriptor],
        **more,
    }
    return [layer, config], Blob(media_type=MANIFEST, content=json.dumps(manifest).encode())


def referrer(subject: Blob) -> tuple[list[Blob], Blob, Blob]:
    """A referrer of a manifest and the index that lists it, as clients push them where the referrers API is missing."""
    blobs, manifest = image(f"about {subject.digest}", subject=subject.descriptor)
    listing = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest.descriptor]}
    return blobs, manifest, Blob(media_type=INDEX, content=json.dumps(listing).encode())


def fallback_tag(subject: Blob) -> str:
    """The tag under which clients look for the referrers of a manifest."""
    return subject.digest.replace(":", "-")


@dataclass
class Cleaning:
    """The deployed registry and its clean-up."""

    deployed: Deployed

    def raw_push(self, repository: str, blobs: Sequence[Blob], manifests: Sequence[tuple[str, Blob]]) -> str:
        """Push blobs and manifests; returns the complaint, or nothing."""
        registry = self.deployed.program.registry()
        content = {
            "blobs": [base64.b64encode(blob.content).decode() for blob in blobs],
            "manifests": [
                {"reference": name, "type": blob.media_type, "content": base64.b64encode(blob.content).decode()}
                for name, blob in manifests
            ],
        }
        url, ca = f"https://{registry.ip}:{registry.port}", self.deployed.certificates() / "ca.crt"
        command = [sys.executable, str(_RAW_PUSH), url, str(ca), repository]
        lan = self.deployed.program.lab.in_lan(*command)
        done = subprocess.run(lan, input=json.dumps(content), capture_output=True, text=True, check=False)
        return done.stderr if done.returncode else ""

    def push(self, repository: str, tag: str, mark: str) -> Blob:
        """Push a small image, which no node can unpack; returns its manifest."""
        blobs, manifest = image(mark)
        assert self.raw_push(repository, blobs, [(tag, manifest)]) == ""
        return manifest

    def push_index(self, repository: str, tag: str) -> ProbeImage:
        """Push an image for several platforms, which nodes can pull."""
        built = build(tag)
        children = [(child.digest, child) for child in built.manifests]
        assert self.raw_push(repository, built.blobs, [*children, (tag, built.index)]) == ""
        return built

    def push_referrer(self, repository: str, subject: Blob) -> Blob:
        """Push a referrer of an image; returns the referrer's manifest."""
        blobs, manifest, listing = referrer(subject)
        manifests = [(manifest.digest, manifest), (fallback_tag(subject), listing)]
        assert self.raw_push(repository, blobs, manifests) == ""
        return manifest

    def tags(self, repository: str) -> set[str]:
        """The tags of a repository, by the registry's answer."""
        found = self.get(f"/v2/{repository}/tags/list")
        return set(found.get("tags") or ())

    def get(self, path: str) -> dict[str, Any]:
        """The registry's JSON answer."""
        answer: dict[str, Any] = json.loads(self.deployed.program.registry().get(self.deployed.program.lab, path))
        return answer

    def has(self, repository: str, manifest: Blob) -> bool:
        """Whether a manifest and all of its blobs can be read and have their digests."""
        registry = self.deployed.program.registry()
        paths = [(f"manifests/{manifest.digest}", manifest.digest)]
        parts = json.loads(manifest.content)
        paths += [
            (f"blobs/{part['digest']}", part["digest"])
            for part in [parts.get("config"), *parts.get("layers", ())]
            if part
        ]
        for path, digest in paths:
            command = ["curl", "-sSf", "--cacert", str(self.deployed.certificates() / "ca.crt")]
            command += [
                "-H",
                f"Accept: {manifest.media_type}",
                f"https://{registry.ip}:{registry.port}/v2/{repository}/{path}",
            ]
            done = subprocess.run(self.deployed.program.lab.in_lan(*command), capture_output=True, check=False)
            if done.returncode or "sha256:" + hashlib.sha256(done.stdout).hexdigest() != digest:
                return False
        return True

    def kubectl(self, *args: str) -> str:
        """Run kubectl in the registry's namespace."""
        return self.deployed.program.kubectl("-n", NAMESPACE, *args)

    def start(self, name: str) -> None:
        """Start the clean-up by hand, as the documentation says."""
        self.kubectl("create", "job", "--from=cronjob/registry-cleanup", name)

    def log(self, name: str) -> str:
        """The log of a clean-up so far."""
        try:
            return self.kubectl("logs", f"job/{name}")
        except subprocess.CalledProcessError:
            return ""

    def finish(self, name: str) -> str:
        """Wait for the end of a clean-up and return its log."""
        states = "jsonpath={.status.succeeded} {.status.failed}"
        wait_until(lambda: self.kubectl("get", "job", name, "-o", states).strip(), JOB_SECONDS, f"job {name}", pause=1)
        log = self.log(name)
        self.kubectl("delete", "job", name)
        return log

    def run(self, name: str) -> str:
        """Clean up once; returns the log."""
        self.start(name)
        return self.finish(name)


@dataclass
class Pushing:
    """Pushes one image after another inside a `with` block."""

    cleaning: Cleaning
    accepted: list[Blob] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._push)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _push(self) -> None:
        number = 0
        while not self._stop.wait(0.5):
            number += 1
            blobs, manifest = image(f"push {number}")
            complaint = self.cleaning.raw_push("pushed", blobs, [(f"v{number}", manifest)])
            if complaint:
                self.refused.append(complaint)
            else:
                self.accepted.append(manifest)
