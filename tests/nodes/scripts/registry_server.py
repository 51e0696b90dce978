"""A small strict registry over TLS: every upload and manifest is checked as the distribution specification says."""

import base64
import hashlib
import json
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest(content: bytes) -> str:
    """Name content as registries do."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


@dataclass
class Store:
    """What the registry holds, and how it behaves."""

    location: str = "rooted"
    refuse: int = 0
    login: str = ""
    failures: int = 0
    read_only: bool = False
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    uploads: dict[str, str] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: Store

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Keep the test's output quiet."""

    def _answer(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _error(self, status: int, code: str) -> None:
        self._answer(status, json.dumps({"errors": [{"code": code, "message": code.lower()}]}).encode())

    def _unknown_login(self) -> int:
        expected = "Basic " + base64.b64encode(self.store.login.encode()).decode()
        return 401 if self.store.login and self.headers.get("Authorization") != expected else 0

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        store, url = self.store, urlsplit(self.path)
        with store.lock:
            store.requests.append(f"{self.command} {url.path}")
            refuse = store.refuse or self._unknown_login()
            if refuse:
                return self._error(refuse, "UNAUTHORIZED")
            if store.failures:
                store.failures -= 1
                return self._error(503, "UNAVAILABLE")
            if url.path == "/v2/":
                return self._answer(200, b"{}")
            match = re.fullmatch(r"/v2/([a-z0-9/-]+)/(blobs|manifests)/(uploads/)?([A-Za-z0-9:._-]*)", url.path)
            if match is None:
                return self._error(404, "NOT_FOUND")
            name, kind, upload, reference = match.groups()
            if upload:
                return self._upload(name, reference, body)
            return self._blob(reference) if kind == "blobs" else self._manifest(reference, body)

    do_GET = do_HEAD = do_POST = do_PUT = _serve  # noqa: N815  # the base class's names

    def _upload(self, name: str, session: str, body: bytes) -> None:  # noqa: PLR0911  # one answer a case
        store = self.store
        if store.read_only:
            return self._error(405, "UNSUPPORTED")
        if self.command == "POST":
            if self.headers.get("Content-Length") is None:
                return self._error(411, "SIZE_INVALID")
            session = f"session-{len(store.uploads)}"
            store.uploads[session] = f"state-{session}"
            path = f"/v2/{name}/blobs/uploads/{session}?_state=state-{session}"
            host = self.headers["Host"]
            place = {
                "rooted": path,
                "absolute": f"https://{host}{path}",
                "elsewhere": f"https://name.that.leads.nowhere{path}",
                "relative": path.rpartition("/")[2],
                "plain": path.partition("?")[0],
            }[store.location]
            return self._answer(202, Location=place)
        query = parse_qs(urlsplit(self.path).query)
        if self.command != "PUT" or session not in store.uploads:
            return self._error(404, "BLOB_UPLOAD_UNKNOWN")
        if store.location != "plain" and query.get("_state") != [store.uploads[session]]:
            return self._error(400, "BLOB_UPLOAD_INVALID")
        if query.get("digest") != [digest(body)]:
            return self._error(400, "DIGEST_INVALID")
        del store.uploads[session]
        store.blobs[digest(body)] = body
        return self._answer(201, Location=f"/v2/{name}/blobs/{digest(body)}")

    def _blob(self, reference: str) -> None:
        if reference not in self.store.blobs:
            return self._error(404, "BLOB_UNKNOWN")
        return self._answer(200, self.store.blobs[reference])

    def _manifest(self, reference: str, body: bytes) -> None:
        store = self.store
        if self.command in {"GET", "HEAD"}:
            kind, content = store.manifests.get(reference, ("", b""))
            if not content or kind not in self.headers.get("Accept", ""):
                return self._error(404, "MANIFEST_UNKNOWN")
            return self._answer(200, content, Content_Type=kind)
        if self.command != "PUT" or reference != digest(body):
            return self._error(400, "DIGEST_INVALID")
        manifest = json.loads(body)
        if self.headers["Content-Type"] != manifest["mediaType"]:
            return self._error(400, "MANIFEST_INVALID")
        children = [child["digest"] for child in manifest.get("manifests", [])]
        parts = [part["digest"] for part in [*manifest.get("layers", []), manifest.get("config")] if part]
        if not (set(children) <= store.manifests.keys() and set(parts) <= store.blobs.keys()):
            return self._error(400, "MANIFEST_BLOB_UNKNOWN")
        store.manifests[reference] = (manifest["mediaType"], body)
        return self._answer(201, Location=self.path)


class _Server(ThreadingHTTPServer):
    """Handshakes happen in the connection's own thread, and a client that gives up is no error of the test."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing: a refused certificate is expected here."""


@contextmanager
def serve(store: Store, directory: Path, certificate: str, key: str) -> Iterator[int]:
    """Serve the store on a loopback port of its own; yields the port."""
    (directory / "server.crt").write_text(certificate)
    (directory / "server.key").write_text(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.crt", directory / "server.key")
    handler = type("Handler", (_Handler,), {"store": store})
    server = _Server(("127.0.0.1", 0), handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
