"""trust.sh on a whole Debian: this machine's own root, under an overlay that receives every change."""

import shutil
import subprocess
from pathlib import Path

import pytest

from components.nodes.script import TRUST, render
from tests.authority import Authority
from tests.nodes.scripts.debian_store import TOOL
from tests.nodes.scripts.node import CONFIGS_ENTRY, HOST, HOSTS_TOML, MIRRORS_ENTRY, PORT, executable, trust

CHROOT = r"""set -eu
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
for folder in dev proc; do mount --rbind "/$folder" "$1/root/$folder"; done
mkdir -p "$1/root/stdin" "$1/root/run" "$1/root/tmp" "$1/root/var/lib/rancher/k3s/agent/etc/containerd"
cp "$2"/* "$1/root/stdin"
cp "$2/k3s" "$1/root/usr/local/bin/k3s"
cd "$1/root/var/lib/rancher/k3s/agent/etc/containerd"
printf 'config_path = "/var/lib/rancher/k3s/agent/etc/containerd/certs.d"\n' >config.toml
exec chroot "$1/root" /bin/sh -eu -c '
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
unset SSL_CERT_FILE SSL_CERT_DIR
snapshot() {
    set -- /etc /usr/local/share/ca-certificates /var/lib/rancher
    find "$@" ! -type d -printf "%p %l %m %u %g\n" | sort
    find "$1" "$3" -type d -printf "%p %m %u %g\n" | sort
    find "$@" -type f -exec sha256sum {} + | sort
}
rm -f /etc/ca-certificates/update.d/*
update-ca-certificates >/dev/null 2>&1
snapshot >/stdin/before
sh -s -- apply </stdin/script
openssl verify -CAfile /etc/ssl/certs/ca-certificates.crt /stdin/leaf
openssl verify -no-CAfile -CApath /etc/ssl/certs /stdin/leaf
sh -s -- apply </stdin/script
sh -s -- check </stdin/script
sh -s -- remove </stdin/script
snapshot >/stdin/after
diff /stdin/before /stdin/after && echo same
'
"""


def test_remove_restores_every_file_of_a_whole_debian(tmp_path: Path, authority: Authority) -> None:
    if not (Path(TOOL).exists() and shutil.which("unshare") and shutil.which("openssl")):
        pytest.skip("needs a Debian with ca-certificates, openssl and util-linux")
    files, mount = tmp_path / "files", tmp_path / "mount"
    files.mkdir()
    mount.mkdir()
    settings = {
        "node": "cube01",
        "hostname": HOST,
        "port": PORT,
        "trust_revision": "c0ffee",
        "address": "10.77.0.202",
        "names": "registry.cube.local registry",
        "system_trust": "true",
        "ca_file": "/etc/rancher/k3s/k3s-registry-ca.crt",
        **trust(authority),
        "mirrors_entry": MIRRORS_ENTRY,
        "configs_entry": CONFIGS_ENTRY,
        "hosts_toml": HOSTS_TOML,
    }
    (files / "script").write_text(render(TRUST, settings))
    (files / "leaf").write_text(authority.server()[0])
    executable(files / "k3s", "#!/bin/sh\necho 'k3s version v1.34.4+k3s1 (abcdef)'\n")
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", CHROOT, "sh", str(mount), str(files)]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unshare failed" in outcome.stderr or "mount:" in outcome.stderr:
        pytest.skip(f"needs the right to mount an overlay: {outcome.stderr.strip()}")
    lines = outcome.stdout.splitlines()
    assert outcome.stderr == "", outcome.stdout
    assert '"what":["ca","store","hosts","registries","hosts.toml","nodes"]' in lines[0]
    assert lines[1:3] == ["/stdin/leaf: OK", "/stdin/leaf: OK"]
    assert '"changed":false' in lines[3]
    assert lines[4] == '{"drift":[]}'
    assert lines[-1] == "same", outcome.stdout
