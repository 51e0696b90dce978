"""Container images built from static binaries: the lab must work where no image registry can be reached.

An image here is a docker archive (config, one layer, manifest.json). Equal content gives equal bytes, so a rebuilt
image keeps its digest. `ctr image import` and `skopeo copy docker-archive:` both read it.
"""

import hashlib
import io
import json
import platform
import shutil
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from lab.cache import used
from lab.settings import LAB_FOLDER, cache_root

FILES = LAB_FOLDER / "image_files"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
PAUSE = "rancher/mirrored-pause:3.6"
BUSYBOX = "lab/busybox:1"
REGISTRY = "registry:3"
SHELL_LINKS = ("sh", "cat", "echo", "ls", "mkdir", "mv", "nslookup", "rm", "sleep", "test", "true", "wget")
REGISTRY_LINKS = (
    *SHELL_LINKS,
    *(
        "awk",
        "base64",
        "cp",
        "find",
        "grep",
        "head",
        "ln",
        "nc",
        "printf",
        "sed",
        "sort",
        "stat",
        "tail",
        "tar",
        "timeout",
        "tr",
        "wc",
    ),
)
"""The part of Alpine's busybox that scripts in the registry's image use, and commands of the operating guide."""
PATH_VARIABLE = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Image:
    """The files of an image and the command that it starts; paths have no leading slash."""

    reference: str
    files: Mapping[str, Path | bytes]
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    environment: Sequence[str] = (PATH_VARIABLE,)
    links: Mapping[str, str] = field(default_factory=dict)
    folders: Sequence[str] = ("tmp",)


def canonical(reference: str) -> str:
    """The full reference that containerd uses for a short one: `registry:3` is `docker.io/library/registry:3`."""
    head, slash, _ = reference.partition("/")
    if slash and ("." in head or ":" in head or head == "localhost"):
        return reference
    return f"docker.io/{reference}" if slash else f"docker.io/library/{reference}"


def _entry(name: str, kind: bytes, mode: int, size: int = 0, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size, info.linkname = kind, mode, size, target
    return info


def _write_layer(image: Image, out: BinaryIO) -> None:
    parents = {
        str(parent) for name in (*image.files, *image.links) for parent in Path(name).parents if str(parent) != "."
    }
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as layer:
        for name in sorted(parents | set(image.folders)):
            # Any user may write here: volumes are mounted over these, and some images do not run as root.
            layer.addfile(_entry(name, tarfile.DIRTYPE, 0o1777 if name in image.folders else 0o755))
        for name, content in sorted(image.files.items()):
            if isinstance(content, bytes):
                layer.addfile(_entry(name, tarfile.REGTYPE, 0o644, len(content)), io.BytesIO(content))
            else:
                mode = 0o755 if content.stat().st_mode & 0o111 else 0o644
                with content.open("rb") as source:
                    layer.addfile(_entry(name, tarfile.REGTYPE, mode, content.stat().st_size), source)
        for name, target in sorted(image.links.items()):
            layer.addfile(_entry(name, tarfile.SYMTYPE, 0o777, target=target))


def write_image(image: Image, target: Path) -> None:
    """Write `image` as a docker archive to `target`, atomically."""
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="making-", dir=target.parent))
    try:
        layer = scratch / "layer.tar"
        with layer.open("wb") as out:
            _write_layer(image, out)
        with layer.open("rb") as source:
            digest = hashlib.file_digest(source, "sha256").hexdigest()
        config = {
            "architecture": ARCHITECTURES[platform.machine()],
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {"Env": [*image.environment], "Entrypoint": [*image.entrypoint], "Cmd": [*image.command]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "lab"}],
        }
        config_bytes = json.dumps(config, sort_keys=True).encode()
        config_name = hashlib.sha256(config_bytes).hexdigest() + ".json"
        manifest = [{"Config": config_name, "RepoTags": [canonical(image.reference)], "Layers": [f"{digest}.tar"]}]
        whole = scratch / "image.tar"
        with tarfile.open(whole, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for name, content in ((config_name, config_bytes), ("manifest.json", json.dumps(manifest).encode())):
                archive.addfile(_entry(name, tarfile.REGTYPE, 0o644, len(content)), io.BytesIO(content))
            with layer.open("rb") as source:
                archive.addfile(_entry(f"{digest}.tar", tarfile.REGTYPE, 0o644, layer.stat().st_size), source)
        whole.replace(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _key(image: Image) -> str:
    """A hash that changes with the archive's content; files on disk are compared by name, size and time, for speed."""
    parts = [image.reference, *image.entrypoint, *image.command, *image.environment, *image.folders, str(image.links)]
    for name, content in sorted(image.files.items()):
        if isinstance(content, bytes):
            parts.append(f"{name} {hashlib.sha256(content).hexdigest()}")
        else:
            stat = content.stat()
            parts.append(f"{name} {content} {stat.st_size} {stat.st_mtime_ns} {stat.st_mode}")
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def ensure_image(image: Image) -> Path:
    """The image's archive in the cache, written first if it is missing or its content has changed."""
    readable = image.reference.replace("/", "_").replace(":", "_")
    target = cache_root() / "images" / f"{readable}-{_key(image)}.tar"
    if not target.exists():
        write_image(image, target)
    return used(target)


def runnable_image(
    reference: str,
    busybox: Path,
    *,
    command: Sequence[str] = ("sleep", "86400"),
    files: Mapping[str, bytes] | None = None,
) -> Image:
    """A small image with a shell, for the tests' pods; different `files` give it a different digest."""
    links = {f"bin/{name}": "busybox" for name in SHELL_LINKS}
    return Image(reference, {"bin/busybox": busybox, **(files or {})}, command=command, links=links)


def pause_image(busybox: Path) -> Image:
    """The image of the container that keeps a pod's namespaces alive."""
    links = {f"bin/{name}": "busybox" for name in ("sh", "sleep")}
    return Image(PAUSE, {"bin/busybox": busybox, "pause": FILES / "pause.sh"}, entrypoint=["/pause"], links=links)


def registry_image(registry: Path, busybox: Path, alpine: Path) -> Image:
    """The registry with upstream's configuration path and command, and with a shell like Alpine's."""
    return Image(
        REGISTRY,
        {
            "bin/registry": registry,
            "bin/busybox": busybox,
            "bin/alpine": alpine,
            "etc/distribution/config.yml": (FILES / "registry.yml").read_bytes(),
        },
        entrypoint=["/bin/registry", "serve"],
        command=["/etc/distribution/config.yml"],
        # Without this the registry looks for a trace collector on localhost.
        environment=[PATH_VARIABLE, "OTEL_TRACES_EXPORTER=none"],
        links={
            **{f"bin/{name}": "busybox" for name in REGISTRY_LINKS},
            "bin/flock": "alpine",
            "usr/bin/ssl_client": "../../bin/alpine",
        },
        folders=("tmp", "var/lib/registry"),
    )


def program_image(reference: str, program: Path, name: str) -> Image:
    """An image of one static program, which it starts."""
    return Image(reference, {name: program}, entrypoint=[f"/{name}"])
