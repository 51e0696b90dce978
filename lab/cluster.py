"""Files that turn bare machines into a cluster that looks like K3s: programs, units, settings, keys, images."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from lab.addons import metallb_images, server_manifests
from lab.base_tree import files_digest, open_to_all, settle
from lab.cache import used
from lab.images import BUSYBOX, ensure_image, pause_image, program_image, registry_image, runnable_image
from lab.machines import Machine
from lab.pki import API_URL, ClusterPki
from lab.settings import CLUSTER_DNS, LAB_FOLDER, POD_NETWORK, SERVICE_NETWORK, Lab, cache_root

FILES = LAB_FOLDER / "cluster_files"
NODE_LABEL = "node-type=worker"
NODE_BINARIES = ("k3s", "containerd", "containerd-shim-runc-v2", "ctr")
ADDON_BINARIES = ("registry", "metallb-controller", "metallb-speaker", "coredns", "local-path-provisioner")
LINKS = {"kubectl": "k3s", "crictl": "k3s"}
NODE_LOOPBACK = "https://127.0.0.1:6443"


def _place(source: Path, target: Path) -> None:
    """Hard-link `source` to `target`; copy it where they are on different file systems."""
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copy2(source, target)


def ensure_layer(binaries: Mapping[str, Path]) -> Path:
    """The file system layer with `binaries` and the K3s units; it lies in the cache and serves all labs."""
    stats = [
        f"{name} {path} {path.stat().st_size} {path.stat().st_mtime_ns}" for name, path in sorted(binaries.items())
    ]
    key = hashlib.sha256("\n".join([*stats, files_digest(FILES)]).encode()).hexdigest()[:16]
    target = cache_root() / "layers" / key
    if target.exists():
        return used(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="making-", dir=target.parent))
    try:
        layer = scratch / "layer"
        shutil.copytree(FILES, layer)
        folder = layer / "usr/local/bin"
        folder.mkdir(parents=True)
        open_to_all(layer)
        for name, path in binaries.items():
            _place(path, folder / name)
        for name, program in LINKS.items():
            (folder / name).symlink_to(program)
        settle(layer, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return used(target)


@dataclass(frozen=True, slots=True)
class ImageSet:
    """The image archives that machines import: some on every machine, the rest on the server, where the addons run."""

    everywhere: tuple[Path, ...]
    server: tuple[Path, ...]


def ensure_images(binaries: Mapping[str, Path], busybox: Path, metallb: Path, *, coredns: bool) -> ImageSet:
    """All image archives of the cluster, created where they are missing; `metallb` is MetalLB's manifest."""
    names = metallb_images(metallb.read_text())
    everywhere = [
        pause_image(busybox),
        runnable_image(BUSYBOX, busybox),
        registry_image(binaries["registry"], busybox),
        program_image(names["speaker"], binaries["metallb-speaker"], "speaker"),
    ]
    server = [
        program_image(names["controller"], binaries["metallb-controller"], "controller"),
        program_image("lab/local-path-provisioner:1", binaries["local-path-provisioner"], "local-path-provisioner"),
    ]
    if coredns:
        server.append(program_image("lab/coredns:1", binaries["coredns"], "coredns"))
    return ImageSet(tuple(map(ensure_image, everywhere)), tuple(map(ensure_image, server)))


def node_config(machine: Machine) -> str:
    """The machine's /etc/rancher/k3s/config.yaml."""
    settings: dict[str, object] = {
        "node-name": machine.name,
        "node-ip": machine.place.address,
        "node-label": [NODE_LABEL],
        "server": API_URL,
        "cluster-cidr": POD_NETWORK,
        "service-cidr": SERVICE_NETWORK,
        "cluster-dns": CLUSTER_DNS,
    }
    return yaml.safe_dump(settings, sort_keys=False)


def unit(machine: Machine) -> tuple[str, str]:
    """The name and the text of the machine's unit, with its flags where K3s's installer puts them."""
    name, role = ("k3s", "server") if machine.place.is_server else ("k3s-agent", "agent")
    text = (FILES / f"etc/systemd/system/{name}.service").read_text()
    line = f"    {role} \\\n"
    return name, text.replace(line, line + "".join(f"\t'{flag}' \\\n" for flag in machine.kind.k3s_flags))


def pod_network(machine: Machine) -> str:
    """The machine's CNI configuration: every pod has its own veth pair, routed by the machine.

    There is no bridge: the traffic of two pods on one bridge would bypass the machine's packet filter, and service
    addresses would not work between them on hosts without br_netfilter.
    """
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": machine.place.pod_network}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    # No masquerading is needed: every machine and the LAN itself have routes to all pods.
    cable = {"type": "ptp", "ipMasq": False, "ipam": addresses}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return json.dumps({"cniVersion": "1.0.0", "name": "lab", "plugins": [cable, ports]}, indent=2) + "\n"


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster of a lab: its keys, and the files that each of its machines gets."""

    lab: Lab
    images: ImageSet
    metallb: Path
    coredns: bool

    def write_kubeconfig(self) -> None:
        """Write the administrator's kubeconfig; an existing one is kept."""
        if not self.lab.kubeconfig.exists():
            beside = self.lab.state / ".kubeconfig.new"
            beside.touch(mode=0o600)
            beside.write_text(ClusterPki.load(self.lab.state / "pki").admin())
            beside.replace(self.lab.kubeconfig)

    def equip(self, machine: Machine) -> None:
        """Write all files that a prepared machine needs before its first boot as a node; does so only once."""
        done = machine.folder / "equipped"
        if done.exists():
            return
        pki = ClusterPki.load(self.lab.state / "pki")
        machine.write("/etc/rancher/k3s/config.yaml", node_config(machine), mode=0o600)
        agent = f"{machine.kind.data_dir}/agent"
        machine.write(f"{agent}/server-ca.crt", pki.server_ca.certificate)
        machine.write(f"{agent}/client-ca.crt", pki.client_ca.certificate)
        kubelet = pki.kubeconfig(f"system:node:{machine.name}", ["system:nodes"])
        machine.write(f"{agent}/kubelet.kubeconfig", kubelet, mode=0o600)
        machine.write(f"{agent}/kubeproxy.kubeconfig", pki.kubeconfig("system:kube-proxy"), mode=0o600)
        machine.write(f"{agent}/etc/cni/net.d/10-lab.conflist", pod_network(machine))
        if machine.place.is_server:
            self._equip_server(machine, pki)
        folder = machine.path(f"{agent}/images")
        folder.mkdir(parents=True, exist_ok=True)
        for archive in self.images.everywhere + (self.images.server if machine.place.is_server else ()):
            _place(archive, folder / archive.name)
        name, text = unit(machine)
        machine.write(f"/etc/systemd/system/{name}.service", text)
        wants = machine.path("/etc/systemd/system/multi-user.target.wants")
        wants.mkdir(parents=True, exist_ok=True)
        link = wants / f"{name}.service"
        if not os.path.lexists(link):
            link.symlink_to(f"/etc/systemd/system/{name}.service")
        # K3s installs only the unit of the machine's own role.
        other = "k3s-agent" if name == "k3s" else "k3s"
        machine.path(f"/etc/systemd/system/{other}.service").unlink(missing_ok=True)
        done.touch()

    def _equip_server(self, machine: Machine, pki: ClusterPki) -> None:
        server = f"{machine.kind.data_dir}/server"
        for name, content in pki.server_files().items():
            machine.write(f"{server}/tls/{name}", content, mode=0o600)
        users = {"controller": "system:kube-controller-manager", "scheduler": "system:kube-scheduler"}
        machine.write(f"{server}/cred/admin.kubeconfig", pki.admin(server=NODE_LOOPBACK), mode=0o600)
        for name, user in users.items():
            machine.write(f"{server}/cred/{name}.kubeconfig", pki.kubeconfig(user, server=NODE_LOOPBACK), mode=0o600)
        machine.write("/etc/rancher/k3s/k3s.yaml", pki.admin(server=NODE_LOOPBACK), mode=0o600)
        for name, text in server_manifests(self.metallb, coredns=self.coredns).items():
            machine.write(f"{server}/manifests/{name}", text, mode=0o600)
