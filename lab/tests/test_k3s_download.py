"""Downloads of K3s releases, from a server on this computer in the place of GitHub's."""

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lab.k3s_download import ensure_release
from lab.settings import LabError

RELEASE = "v1.34.4+k3s1"
CONTENT = b"the binary"
SUMS = f"{hashlib.sha256(CONTENT).hexdigest()}  k3s\n{'0' * 64}  k3s-airgap-images-amd64.tar\n"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    """The folder with the files of the one release that the server has."""
    folder = tmp_path / "releases" / RELEASE
    folder.mkdir(parents=True)
    (folder / "k3s").write_bytes(CONTENT)
    (folder / "sha256sum-amd64.txt").write_text(SUMS)
    return folder


@pytest.fixture
def base(assets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(assets.parent)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def kept(tmp_path: Path) -> list[str]:
    """The names of the files in the cache."""
    return sorted(path.name for path in (tmp_path / "cache/k3s-registry-lab/k3s").iterdir())


def test_a_release_is_downloaded_executable_and_whole(base: str, tmp_path: Path) -> None:
    path = ensure_release(RELEASE, base)
    assert (path.read_bytes(), path.stat().st_mode & 0o111) == (CONTENT, 0o111)
    assert kept(tmp_path) == [RELEASE]


def test_a_release_is_downloaded_once(base: str, assets: Path) -> None:
    first = ensure_release(RELEASE, base)
    (assets / "k3s").unlink()
    assert ensure_release(RELEASE, base) == first


def test_an_arm_computer_gets_the_binary_for_it(base: str, assets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    (assets / "k3s").rename(assets / "k3s-arm64")
    (assets / "sha256sum-arm64.txt").write_text(SUMS.replace("  k3s\n", "  k3s-arm64\n"))
    assert ensure_release(RELEASE, base).read_bytes() == CONTENT


def _assert_refused(base: str, tmp_path: Path, words: str, release: str = RELEASE) -> None:
    with pytest.raises(LabError, match=words):
        ensure_release(release, base)
    assert kept(tmp_path) == []


def test_a_binary_with_another_checksum_is_refused_and_not_kept(base: str, assets: Path, tmp_path: Path) -> None:
    (assets / "k3s").write_bytes(b"another binary")
    _assert_refused(base, tmp_path, "the release's checksum file says [0-9a-f]{64}: nothing was kept")


def test_a_binary_that_the_checksum_file_does_not_name_is_refused(base: str, assets: Path, tmp_path: Path) -> None:
    (assets / "sha256sum-amd64.txt").write_text("")
    _assert_refused(base, tmp_path, "checksum file says nothing about it")


def test_an_unknown_release_is_refused_with_the_page_that_lists_them(base: str, tmp_path: Path) -> None:
    _assert_refused(base, tmp_path, "there is no such release .*: choose one of https://github.com", "v1.99.0+k3s1")


def test_a_download_that_ends_too_early_is_refused(base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def promise(handler: Quiet, name: str, value: str) -> None:
        more = str(int(value) + 1) if name == "Content-Length" else value
        SimpleHTTPRequestHandler.send_header(handler, name, more)

    monkeypatch.setattr(Quiet, "send_header", promise)
    _assert_refused(base, tmp_path, "ended after .* bytes: try again")


def test_a_server_that_cannot_be_reached_leads_to_the_other_way(base: str, tmp_path: Path) -> None:
    closed = base.rpartition(":")[0] + ":9"
    _assert_refused(closed, tmp_path, "cannot be downloaded: .*name it: make up K3S=/path/to/k3s")
