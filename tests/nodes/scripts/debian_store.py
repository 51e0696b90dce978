"""Debian's system store below a node's root, built by the machine's own tool."""

import subprocess

from tests.authority import Authority, new_authority
from tests.nodes.scripts.node import Node, executable

TOOL = "/usr/sbin/update-ca-certificates"
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
PREFIX = "k3s-registry-"


def has(bundle: bytes, authority: Authority) -> bool:
    return authority.pem.encode() in bundle


def rebuilds(node: Node) -> int:
    log = node.root / "rebuilds"
    return len(log.read_text().splitlines()) if log.exists() else 0


def verifies_by_folder(node: Node, authority: Authority, openssl: str) -> bool:
    certificate, _ = authority.server()
    leaf = node.root / "tmp/leaf.crt"
    leaf.write_text(certificate)
    command = [openssl, "verify", "-no-CAfile", "-no-CAstore", "-CApath", str(node.root / "etc/ssl/certs"), str(leaf)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def dangling(node: Node) -> list[str]:
    return [path.name for path in (node.root / "etc/ssl/certs").iterdir() if path.is_symlink() and not path.exists()]


def furnish(node: Node, openssl: str) -> None:
    """Give a node a store of two foreign certificates and the machine's own tool."""
    root = node.root
    for directory in ("usr/local/share/ca-certificates", "etc/ssl/certs", "etc/ca-certificates/update.d"):
        (root / directory).mkdir(parents=True)
    names = ["test/one.crt", "test/two.crt"]
    for name in names:
        node.write(f"/usr/share/ca-certificates/{name}", new_authority(name).pem)
    node.write("/etc/ca-certificates.conf", "".join(f"{name}\n" for name in names))
    executable(
        root / "usr/sbin/update-ca-certificates",
        f"""#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
echo run >>{root}/rebuilds
exec {TOOL} --certsconf {root}/etc/ca-certificates.conf --certsdir {root}/usr/share/ca-certificates \\
    --localcertsdir {root}/usr/local/share/ca-certificates --etccertsdir {root}/etc/ssl/certs \\
    --hooksdir {root}/etc/ca-certificates/update.d "$@"
""",
    )
    (root / "usr/sbin/openssl").symlink_to(openssl)
    subprocess.run([root / "usr/sbin/update-ca-certificates"], check=True, capture_output=True)
    (root / "rebuilds").unlink()
    node.settings["system_trust"] = "true"
