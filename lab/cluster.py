"""The files that turn bare machines into nodes of K3s: configuration, units, images, manifests."""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from lab.addons import metallb_images, server_manifests
from lab.images import BUSYBOX, ensure_image, pause_image, program_image, registry_image, runnable_image
from lab.k3s import K3s
from lab.layer import place
from lab.machines import Machine
from lab.settings import API_URL, Lab

NODE_LABEL = "node-type=worker"
ADDON_BINARIES = (
    "registry",
    "alpine",
    "metallb-controller",
    "metallb-speaker",
    "coredns",
    "local-path-provisioner",
)
DISABLED = ("coredns", "local-storage", "metrics-server", "servicelb", "traefik")
"""The addons of K3s that the lab replaces or does without: their images are on the Internet."""
UNIT = """\
[Unit]
Description=Lightweight Kubernetes
Documentation=https://k3s.io
Wants=network-online.target
After=network-online.target

[Install]
WantedBy=multi-user.target

[Service]
Type={type}
EnvironmentFile=-/etc/default/%N
EnvironmentFile=-/etc/sysconfig/%N
EnvironmentFile=-/etc/systemd/system/{name}.service.env
KillMode=process
Delegate=yes
User=root
# Having non-zero Limit*s causes performance problems due to accounting overhead
# in the kernel. We recommend using cgroups to do container-local accounting.
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
TimeoutStartSec=0
Restart=always
RestartSec=5s
ExecStartPre=-/sbin/modprobe br_netfilter
ExecStartPre=-/sbin/modprobe overlay
ExecStart=/usr/local/bin/k3s \\
    {command} \\
{flags}
"""
"""The unit as K3s's installer writes it."""


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
        registry_image(binaries["registry"], busybox, binaries["alpine"]),
        program_image(names["speaker"], binaries["metallb-speaker"], "speaker"),
    ]
    server = [
        program_image(names["controller"], binaries["metallb-controller"], "controller"),
        program_image("lab/local-path-provisioner:1", binaries["local-path-provisioner"], "local-path-provisioner"),
    ]
    if coredns:
        server.append(program_image("lab/coredns:1", binaries["coredns"], "coredns"))
    return ImageSet(tuple(map(ensure_image, everywhere)), tuple(map(ensure_image, server)))


def node_config(machine: Machine, token: str) -> str:
    """The machine's /etc/rancher/k3s/config.yaml."""
    settings: dict[str, object] = {
        "token": token,
        "node-name": machine.name,
        "node-ip": machine.place.address,
        "node-label": [NODE_LABEL],
    }
    if machine.place.is_server:
        # The lab has its own pod network, and no images of K3s's addons.
        settings |= {"flannel-backend": "none", "disable-network-policy": True, "disable": [*DISABLED]}
    else:
        settings["server"] = API_URL
    return yaml.safe_dump(settings, sort_keys=False)


def unit(machine: Machine) -> tuple[str, str]:
    """The name and the text of the machine's unit, with its flags where K3s's installer puts them."""
    name, role, kind = ("k3s", "server", "notify") if machine.place.is_server else ("k3s-agent", "agent", "exec")
    flags = "".join(f"\t'{flag}' \\\n" for flag in machine.kind.k3s_flags)
    return name, UNIT.format(name=name, type=kind, command=role, flags=flags)


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
    """The cluster of a lab: the files that each of its machines gets."""

    lab: Lab
    k3s: K3s
    images: ImageSet
    metallb: Path
    coredns: bool

    def equip(self, machine: Machine) -> None:
        """Write all files that a prepared machine needs before its first boot as a node; does so only once."""
        done = machine.folder / "equipped"
        if done.exists():
            return
        agent = f"{machine.kind.data_dir}/agent"
        machine.write("/etc/rancher/k3s/config.yaml", node_config(machine, self._token()), mode=0o600)
        for path, text in self.k3s.containerd_files(f"{agent}/etc/containerd").items():
            machine.write(path, text)
        machine.write("/etc/cni/net.d/10-lab.conflist", pod_network(machine))
        if machine.place.is_server:
            for name, text in server_manifests(self.metallb, coredns=self.coredns).items():
                machine.write(f"{machine.kind.data_dir}/server/manifests/{name}", text, mode=0o600)
        folder = machine.path(f"{agent}/images")
        folder.mkdir(parents=True, exist_ok=True)
        for archive in self.images.everywhere + (self.images.server if machine.place.is_server else ()):
            place(archive, folder / archive.name)
        name, text = unit(machine)
        machine.write(f"/etc/systemd/system/{name}.service", text)
        machine.write(f"/etc/systemd/system/{name}.service.env", "", mode=0o600)
        wants = machine.path("/etc/systemd/system/multi-user.target.wants")
        wants.mkdir(parents=True, exist_ok=True)
        link = wants / f"{name}.service"
        if not os.path.lexists(link):
            link.symlink_to(f"/etc/systemd/system/{name}.service")
        done.touch()

    def _token(self) -> str:
        """The secret by which machines join; every machine gets the same, whenever it is added."""
        path = self.lab.state / "token"
        if not path.exists():
            beside = path.with_name(".token.new")
            beside.touch(mode=0o600)
            beside.write_text(secrets.token_hex(16))
            beside.replace(path)
        return path.read_text()
