"""A `k3s` for the temporary root: `crictl pull` really pulls over TLS, by the root's own hosts file and hosts.toml.

It reports failures in the words of containerd. `behaviour.json` in the root can make it fail first, and holds what the
API server would say of the Service.
"""

import base64
import hashlib
import http.client
import json
import os
import re
import socket
import ssl
import sys
from pathlib import Path
from typing import Any

ROOT = Path(os.environ["K3S_REGISTRY_ROOT"])
CERTS = ROOT / "var/lib/rancher/k3s/agent/etc/containerd/certs.d"
UNKNOWN = "certificate signed by unknown authority"
# Go's words for each of OpenSSL's error codes.
X509 = {10: "certificate has expired or is not yet valid", 62: "certificate is valid for other names, not this"}
ACCEPT = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json"


def fail(image: str, cause: str) -> None:
    """End as crictl does."""
    sys.exit(
        'E1124 07:00:00.000000 1 log.go:32] "PullImage from image service failed" '
        f'err="rpc error: code = Unknown desc = failed to pull and unpack image \\"{image}\\": {cause}" image="{image}"'
    )


def resolve(host: str) -> str:
    """Look a name up in the root's hosts file."""
    for line in (ROOT / "etc/hosts").read_text().splitlines():
        words = line.partition("#")[0].split()
        if host in words[1:]:
            return words[0]
    return ""


class _Connection(http.client.HTTPSConnection):
    """A TLS connection to an address that the system's resolver does not know."""

    def __init__(self, host: str, port: int, address: str, context: ssl.SSLContext) -> None:
        super().__init__(host, port, context=context, timeout=5)
        self.address = address
        self.tls = context

    def connect(self) -> None:
        """Connect to the address, and verify the name."""
        raw = socket.create_connection((self.address, self.port), 5)
        self.sock = self.tls.wrap_socket(raw, server_hostname=self.host)


def pull(image: str, login: dict[str, str]) -> None:
    """Pull an image by digest, with everything it names."""
    match = re.fullmatch(r"([^/:]+):(\d+)/(.+)@(sha256:[0-9a-f]{64})", image)
    assert match
    host, port, repository, wanted = match.groups()
    address = resolve(host)
    if not address:
        fail(image, f"dial tcp: lookup {host} on 10.43.0.10:53: no such host")
    directory = CERTS / f"{host}:{port}"
    context = ssl.create_default_context()
    if (directory / "hosts.toml").exists():
        for name in re.findall(r'ca = \["(.*)"\]', (directory / "hosts.toml").read_text()):
            context.load_verify_locations(ROOT / name.lstrip("/"))

    def get(kind: str, digest: str) -> bytes:
        connection = _Connection(host, int(port), address, context)
        path = f"/v2/{repository}/{kind}/{digest}"
        try:
            connection.request("GET", path, headers={"Accept": ACCEPT, **login})
            reply = connection.getresponse()
            content = reply.read()
        except ssl.SSLCertVerificationError as error:
            fail(image, "tls: failed to verify certificate: x509: " + X509.get(error.verify_code, UNKNOWN))
        except ConnectionRefusedError:
            fail(image, f"dial tcp {address}:{port}: connect: connection refused")
        if reply.status != http.client.OK:
            fail(image, f"unexpected status from GET request to https://{host}:{port}{path}: {reply.status}")
        assert "sha256:" + hashlib.sha256(content).hexdigest() == digest
        return content

    todo = [wanted]
    while todo:
        manifest = json.loads(get("manifests", todo.pop()))
        todo += [child["digest"] for child in manifest.get("manifests", [])]
        for part in [*manifest.get("layers", []), *([manifest["config"]] if "config" in manifest else [])]:
            get("blobs", part["digest"])
    sys.stdout.write(f"Image is up to date for {wanted}\n")


def kubectl(argv: list[str], behaviour: dict[str, Any]) -> None:
    """Answer as the API server would, or refuse where the test gives no answer."""
    what = next(word for word in ("node", "nodes", "service", "services") if word in argv)
    if what not in behaviour:
        sys.exit("The connection to the server 127.0.0.1:6444 was refused")
    if what != "node":
        sys.stdout.write(behaviour[what])
        return
    name, known = argv[argv.index("node") + 1], behaviour[what]
    if known is None:
        sys.exit(f'Error from server (NotFound): nodes "{name}" not found')
    if known != name:
        sys.exit(
            f'Error from server (Forbidden): nodes "{name}" is forbidden: User "system:node:{known}" cannot get '
            f"resource \"nodes\" in API group \"\" at the cluster scope: node '{known}' cannot read '{name}', "
            "only its own Node object"
        )


def main(argv: list[str]) -> None:
    """Run the command that the first words name."""
    with (ROOT / "calls").open("a") as calls:
        calls.write(" ".join(argv) + "\n")
    file = ROOT / "behaviour.json"
    behaviour = json.loads(file.read_text()) if file.exists() else {}
    if argv == ["--version"]:
        sys.stdout.write("k3s version v1.34.4+k3s1 (abcdef)\n")
    elif argv[:2] == ["crictl", "pull"]:
        if behaviour.get("errors"):
            error = behaviour["errors"].pop(0)
            file.write_text(json.dumps(behaviour))
            fail(argv[2], error)
        # In place of a port that asks for none.
        login = base64.b64encode(behaviour.get("login", "").encode()).decode()
        pull(argv[2], {"Authorization": f"Basic {login}"} if login else {})
    elif argv[0] == "kubectl":
        kubectl(argv, behaviour)


main(sys.argv[1:])
