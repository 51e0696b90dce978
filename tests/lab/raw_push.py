"""Pushes blobs and manifests as they are: `raw_push.py URL CA_FILE REPOSITORY`, with JSON on standard input.

It runs as a program of its own, in the lab's network. The first answer that is no success ends it, on standard error.
"""

import base64
import hashlib
import http.client
import json
import ssl
import sys
from typing import Any
from urllib.parse import urlsplit


def main(url: str, ca: str, repository: str, content: dict[str, Any]) -> None:
    """Push `blobs`, then `manifests`, each of which has `reference`, `type` and `content`."""
    parts = urlsplit(url)
    context = ssl.create_default_context(cafile=ca)
    connection = http.client.HTTPSConnection(parts.hostname or "", parts.port, context=context, timeout=30)

    def request(method: str, path: str, body: bytes = b"", kind: str = "application/octet-stream") -> str:
        connection.request(method, path, body=body, headers={"Content-Type": kind})
        answer = connection.getresponse()
        said = answer.read()
        if answer.status not in (201, 202):
            sys.exit(f"{method} {path}: {answer.status} {said[:200]!r}")
        return answer.headers.get("Location", "")

    for encoded in content["blobs"]:
        blob = base64.b64decode(encoded)
        location = urlsplit(request("POST", f"/v2/{repository}/blobs/uploads/"))
        digest = hashlib.sha256(blob).hexdigest()
        request("PUT", f"{location.path}?{location.query}&digest=sha256:{digest}", blob)
    for manifest in content["manifests"]:
        body = base64.b64decode(manifest["content"])
        request("PUT", f"/v2/{repository}/manifests/{manifest['reference']}", body, manifest["type"])


if __name__ == "__main__":
    _, *places = sys.argv
    main(places[0], places[1], places[2], json.load(sys.stdin))
