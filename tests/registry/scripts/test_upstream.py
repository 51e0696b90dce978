"""Whether an upstream accepts the user of a cache: only a refusal keeps the cache from starting."""

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from components.registry.caches import login_script

LOGIN = "alice:a secret / word\nof two lines"
SENT = "Basic " + base64.b64encode(LOGIN.encode()).decode()
BASIC = 'Basic realm="upstream"'


@dataclass
class Upstream:
    """What a server answers by path: a status and, with 401, its challenge."""

    answers: dict[str, tuple[int, str]]
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Path and authorization of each request."""
    url: str = ""


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    made = Upstream({})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append((self.path, self.headers["Authorization"]))
            status, challenge = made.answers.get(self.path, (404, ""))
            self.send_response(status)
            if challenge:
                self.send_header("WWW-Authenticate", challenge)
            self.end_headers()
            self.wfile.write(b'{"errors": "HTTP/1.1 401 in a body means nothing"}')

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def tried(shell: tuple[str, ...], tmp_path: Path, upstream: Upstream) -> "Tried":
    busybox = next(path for path in (Path("/bin/busybox"), Path("/usr/bin/busybox")) if path.exists())
    (tmp_path / "nc").symlink_to(busybox)
    return Tried(shell, tmp_path, upstream)


@dataclass(frozen=True)
class Tried:
    """The script in a shell, with Alpine's nc."""

    shell: tuple[str, ...]
    folder: Path
    upstream: Upstream

    def run(self, url: str | None = None) -> subprocess.CompletedProcess[str]:
        """Try the login; returns status and output."""
        username, _, password = LOGIN.partition(":")
        (self.folder / "username").write_text(username)
        (self.folder / "password").write_text(password)
        environment = {
            "PATH": f"{self.folder}:{os.environ['PATH']}",
            "key": "cache.up.test",
            "upstream": url or self.upstream.url,
            "login": str(self.folder),
        }
        command = [*self.shell, "-c", login_script()]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_an_upstream_that_accepts_the_login_gets_nothing_but_one_request(tried: Tried) -> None:
    tried.upstream.answers["/v2/"] = 200, ""
    done = tried.run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert tried.upstream.asked == [("/v2/", SENT)]


def test_a_refusal_is_one_sentence_without_the_password(tried: Tried) -> None:
    tried.upstream.answers["/v2/"] = 401, BASIC
    done = tried.run()
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"cache.up.test: found that {tried.upstream.url} refuses the user alice (HTTP/1.0 401 "
    )
    assert done.stderr.count("\n") == 1
    assert "secret" not in done.stdout + done.stderr


@pytest.mark.parametrize(("status", "accepted"), [(200, True), (401, False), (403, False), (429, True), (503, True)])
def test_an_upstream_with_tokens_is_asked_for_one(tried: Tried, status: int, accepted: bool) -> None:  # noqa: FBT001 - a case of the table
    challenge = f'Bearer realm="{tried.upstream.url}/token",service="a registry"'
    tried.upstream.answers |= {"/v2/": (401, challenge), "/token?service=a%20registry": (status, "")}
    assert (tried.run().returncode == 0) is accepted
    assert tried.upstream.asked[1:] == [("/token?service=a%20registry", SENT)]


def test_a_server_of_tokens_without_tls_gets_no_password_of_an_upstream_with_it(tried: Tried) -> None:
    """The password would be readable on the way."""
    challenge = f'HTTP/1.1 401 Unauthorized\nWWW-Authenticate: Bearer realm="{tried.upstream.url}/token",service="r"\n'
    (tried.folder / "nc").unlink()
    (tried.folder / "nc").write_text(f"#!/bin/sh\nprintf '%s' '{challenge}'\n")
    (tried.folder / "nc").chmod(0o755)
    assert tried.run("https://up.test").returncode == 0
    assert tried.upstream.asked == []


def test_an_upstream_that_does_not_answer_is_left_to_the_cache_itself(tried: Tried) -> None:
    assert tried.run("http://127.0.0.1:9").returncode == 0
