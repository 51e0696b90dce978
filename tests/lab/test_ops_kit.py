"""`python -m ops kit` with real clients: they push and pull as long as the kit is installed, by its own words."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from lab import toolchain
from lab.deployment import STACK
from lab.settings import PROJECT

from .deployed import Deployed
from .test_ops_nodes import ops

pytestmark = pytest.mark.lab
# What a client does: it pulls IMAGE and pushes it as COPY. It stores images below the test's directory.
STORED = "--root $PWD/root --runroot $PWD/run --storage-driver vfs"
CLIENTS: Mapping[str, tuple[str, str]] = {
    "skopeo": (
        "Podman, Skopeo, Buildah",
        "skopeo --insecure-policy copy --quiet docker://$IMAGE docker://$COPY",
    ),
    "podman": (
        "Podman, Skopeo, Buildah",
        f"podman {STORED} pull --quiet $IMAGE && podman {STORED} push --quiet $IMAGE docker://$COPY",
    ),
    "buildah": (
        "Podman, Skopeo, Buildah",
        f"buildah {STORED} pull --quiet $IMAGE && buildah {STORED} push --quiet $IMAGE docker://$COPY",
    ),
    "docker": (
        "Docker",
        "docker pull --quiet $IMAGE && docker tag $IMAGE $COPY && docker push --quiet $COPY",
    ),
    "ctr": (
        "containerd, nerdctl",
        "ctr content fetch-object --hosts-dir /etc/containerd/certs.d $IMAGE >/dev/null",
    ),
    "crane": ("crane, oras, curl, helm, cosign", "crane copy $IMAGE $COPY"),
    "curl": ("crane, oras, curl, helm, cosign", "curl --silent --show-error --fail https://${COPY%%/*}/v2/"),
}
SLOW = {"podman", "buildah", "docker", "crane"}
"""What `make test` does not install or build."""
# A computer of its own, as far as a client's files go: what is written below /etc and /usr/local is gone afterwards.
WORKSTATION = """
set -eu
mount --make-rprivate /
mkdir "$1/layers"
mount -t tmpfs layers "$1/layers"
for each in etc usr/local; do
    mkdir -p "$1/layers/$each/new" "$1/layers/$each/work"
    mount -t overlay -o "lowerdir=/$each,upperdir=$1/layers/$each/new,workdir=$1/layers/$each/work" "$each" "/$each"
done
sudo() { "$@"; }
mount --bind "$1" /mnt # podman refuses long names of directories
cd /mnt
"""
# All of its files are below the directory. It ends with the client, by their namespace of processes.
DAEMON = """
export DOCKER_HOST=unix://$PWD/docker.sock
dockerd --host $DOCKER_HOST --data-root $PWD/data --exec-root $PWD/exec --pidfile $PWD/pid --iptables=false \\
    --ip6tables=false --bridge=none --storage-driver vfs >$PWD/dockerd.log 2>&1 &
for _ in $(seq 100); do docker version >/dev/null 2>&1 && break; sleep 0.2; done
"""


def commands(guide: str, title: str) -> tuple[str, str]:
    """What a section of the guide says to install and to remove a client."""
    section = guide.split(f"\n## {title}\n")[1].split("\n## ", maxsplit=1)[0]
    installed, removed = re.findall(r"```sh\n(.*?)```", section, flags=re.DOTALL)
    return installed, removed


@pytest.fixture
def kit(deployed: Deployed, tmp_path: Path) -> Path:
    done = ops(deployed, PROJECT, "kit", str(tmp_path / "kit"), "--stack", STACK)
    assert done.returncode == 0, done.stderr
    return tmp_path / "kit"


@pytest.mark.parametrize(
    "client", [pytest.param(name, marks=[pytest.mark.long] if name in SLOW else []) for name in CLIENTS]
)
def test_a_client_works_as_the_kit_says_and_not_without(deployed: Deployed, kit: Path, client: str) -> None:
    if client in {"crane", "ctr"}:
        program = toolchain.ensure([client])[client].parent
    elif (found := shutil.which("dockerd" if client == "docker" else client)) is None:
        pytest.skip(f"{client} is not installed")
    else:
        program = Path(found).parent
    outputs = deployed.program.outputs()
    endpoint = outputs["registryEndpoint"]
    title, use = CLIENTS[client]
    guide = (kit / "README.md").read_text()
    (name, no_name), (files, no_files) = commands(guide, "The name"), commands(guide, title)
    script = "\n".join(
        [
            WORKSTATION,
            f"export HOME=$PWD PATH={program}:$PATH",
            f"export IMAGE={endpoint}/k3s-registry/pull-proof@{outputs['nodes']['cube01']['pulledDigest']}",
            f"export COPY={endpoint}/kit/{client}:1",
            DAEMON if client == "docker" else "",
            f"use() {{ {use}; }}",
            "sed 's/^/ /' /etc/hosts >before",
            f"cd kit; {name}{files}cd ..",
            f"cd kit; {name}{files}cd ..",  # again, as the guide allows
            "use || { echo 'with the kit it fails'; exit 1; }",
            f"cd kit; {no_files}cd ..",
            "! use || { echo 'without the files it works'; exit 1; }",
            f"cd kit; {files}{no_name}cd ..",
            "! use || { echo 'without the name it works'; exit 1; }",
            "sed 's/^/ /' /etc/hosts | diff before -",
        ]
    )
    command = deployed.program.lab.in_lan(
        "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script, "kit", str(kit.parent)
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    log = kit.parent / "dockerd.log"
    assert done.returncode == 0, done.stdout + done.stderr + (log.read_text()[-2000:] if log.exists() else "")
