"""Releases of K3s, downloaded with their checksums and kept in the cache."""

import hashlib
import http.client
import platform
import re
import shutil
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from lab.cache import used
from lab.progress import step
from lab.settings import LabError, cache_root

RELEASE = re.compile(r"v\d+\.\d+\.\d+(?:-rc\d+)?\+k3s\d+")
DOWNLOADS = "https://github.com/k3s-io/k3s/releases/download"
PAGE = "https://github.com/k3s-io/k3s/releases"
# Each architecture's name in the checksum file's name, and the binary's name.
ASSETS = {"x86_64": ("amd64", "k3s"), "aarch64": ("arm64", "k3s-arm64")}
SILENCE_SECONDS = 30.0
NOT_FOUND = 404


def ensure_release(release: str, base: str = DOWNLOADS) -> Path:
    """The K3s binary of `release` for this computer, from the cache or else from `base`, verified.

    Raises:
        LabError: there is no such release, it cannot be downloaded, or its checksum differs. Nothing is kept then.
    """
    target = cache_root() / "k3s" / release
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        architecture, name = ASSETS[platform.machine()]
        folder = f"{base}/{urllib.parse.quote(release, safe='')}"
        scratch = Path(tempfile.mkdtemp(prefix="making-", dir=target.parent))
        try:
            with step(f"downloading K3s {release}"):
                _fetch(f"{folder}/sha256sum-{architecture}.txt", scratch / "sums", release)
                _fetch(f"{folder}/{name}", scratch / "k3s", release)
                _verify(scratch / "k3s", name, (scratch / "sums").read_text(), release)
            (scratch / "k3s").chmod(0o755)
            (scratch / "k3s").replace(target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return used(target)


def _fetch(url: str, target: Path, release: str) -> None:
    try:
        with urllib.request.urlopen(url, timeout=SILENCE_SECONDS) as answer, target.open("wb") as file:  # noqa: S310 the base is https, or a test's
            shutil.copyfileobj(answer, file)
            promised = int(answer.headers.get("Content-Length", file.tell()))
            received = file.tell()
    except urllib.error.HTTPError as error:
        if error.code == NOT_FOUND:
            message = f"K3s {release}: there is no such release ({url} is not found): choose one of {PAGE}"
        else:
            message = f"K3s {release}: {url} answered {error.code} {error.reason}: try again later"
        raise LabError(message) from None
    except (OSError, http.client.HTTPException) as error:
        message = (
            f"K3s {release}: {url} cannot be downloaded: {error}; "
            "fetch the binary by another way and name it: make up K3S=/path/to/k3s"
        )
        raise LabError(message) from None
    if received != promised:
        message = f"K3s {release}: {url} ended after {received} of {promised} bytes: try again"
        raise LabError(message)


def _verify(binary: Path, name: str, sums: str, release: str) -> None:
    promised = {words[1].lstrip("*"): words[0] for line in sums.splitlines() if len(words := line.split()) == 2}  # noqa: PLR2004 checksum, name
    with binary.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if promised.get(name) != found:
        message = (
            f"K3s {release}: {name} has SHA-256 {found}, and the release's checksum file says "
            f"{promised.get(name, 'nothing about it')}: nothing was kept; try again, and do not use that file"
        )
        raise LabError(message)
