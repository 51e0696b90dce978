import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from lab.images import Image, canonical, ensure_image, runnable_image, write_image


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program"
    path.write_bytes(b"\x7fELF a program")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("registry:3", "docker.io/library/registry:3"),
        ("lab/busybox:1", "docker.io/lab/busybox:1"),
        ("registry.cube.local:5000/a/b:1", "registry.cube.local:5000/a/b:1"),
        ("localhost/a:1", "localhost/a:1"),
    ],
)
def test_a_short_name_means_what_containerd_takes_it_for(short: str, full: str) -> None:
    assert canonical(short) == full


def test_the_archive_names_its_image_its_config_and_its_layer_by_their_digests(program: Path, tmp_path: Path) -> None:
    target = tmp_path / "image.tar"
    write_image(Image("lab/thing:1", {"bin/thing": program}, entrypoint=["/bin/thing"]), target)
    with tarfile.open(target) as archive:
        contents = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]  # only files
    (manifest,) = json.loads(contents["manifest.json"])
    assert manifest["RepoTags"] == ["docker.io/lab/thing:1"]
    config = json.loads(contents[manifest["Config"]])
    (layer,) = manifest["Layers"]
    assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(contents[layer]).hexdigest()]
    assert manifest["Config"] == hashlib.sha256(contents[manifest["Config"]]).hexdigest() + ".json"
    assert config["config"]["Entrypoint"] == ["/bin/thing"]


def test_the_config_says_architecture_and_system_or_containerd_would_pass_the_image_over(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    write_image(Image("lab/thing:1", {"thing": program}), tmp_path / "image.tar")
    with tarfile.open(tmp_path / "image.tar") as archive:
        name = next(
            member.name for member in archive if member.name.endswith(".json") and member.name != "manifest.json"
        )
        config = json.load(archive.extractfile(name))  # type: ignore[arg-type]  # it is a file
    assert (config["architecture"], config["os"]) == ("arm64", "linux")


def test_the_same_content_gives_the_same_bytes_whenever_it_is_made(program: Path, tmp_path: Path) -> None:
    image = runnable_image("lab/thing:1", program, files={"etc/mark": b"1"})
    for name in ("one.tar", "two.tar"):
        write_image(image, tmp_path / name)
        program.touch()
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_programs_stay_executable_and_files_given_as_bytes_are_not(program: Path, tmp_path: Path) -> None:
    write_image(Image("lab/thing:1", {"bin/thing": program, "etc/thing": b""}), tmp_path / "image.tar")
    with tarfile.open(tmp_path / "image.tar") as archive:
        layer_name = next(member.name for member in archive if member.name.endswith(".tar"))
        with tarfile.open(fileobj=archive.extractfile(layer_name)) as layer:
            modes = {member.name: member.mode for member in layer if member.isreg()}
    assert modes == {"bin/thing": 0o755, "etc/thing": 0o644}


def test_an_archive_is_made_once_and_again_when_its_content_changes(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    first = ensure_image(Image("lab/thing:1", {"thing": program}))
    made = first.stat().st_mtime_ns
    assert ensure_image(Image("lab/thing:1", {"thing": program})).stat().st_mtime_ns == made
    program.write_bytes(b"\x7fELF another program")
    assert ensure_image(Image("lab/thing:1", {"thing": program})) != first


def test_an_archive_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "images" / "image.tar"
    with pytest.raises(FileNotFoundError):
        write_image(Image("lab/thing:1", {"thing": tmp_path / "absent"}), target)
    assert list(target.parent.iterdir()) == []
