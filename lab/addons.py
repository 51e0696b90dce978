"""The manifests that the server applies once its API answers: the lab's own, and MetalLB's, adapted."""

import base64
import secrets
from pathlib import Path
from typing import Any

import yaml

from lab import toolchain
from lab.settings import LAB_FOLDER

FOLDER = LAB_FOLDER / "manifests"
METALLB_NAMESPACE = "metallb-system"
MEMBERLIST_BYTES = 32
SERVER_ONLY = {"kubernetes.io/hostname": "control01"}

Document = dict[str, Any]


def _hurry(container: Document) -> None:
    """Probe after one second instead of ten, so that the lab becomes usable sooner."""
    container["imagePullPolicy"] = "Never"
    container["readinessProbe"] |= {"initialDelaySeconds": 0, "periodSeconds": 1}


def adapt_metallb(text: str, memberlist_key: bytes) -> list[Document]:
    """MetalLB's `metallb-native.yaml` without the parts that slow a lab's start down.

    Its webhooks and their certificates are left out: the kubelet takes up to a minute to show a new certificate to the
    running controller, and the lab's pool is known to be valid. The speakers' secret is created here instead of by the
    controller, so that the speakers need not wait for it. `memberlist_key` is that secret.
    """
    kept: list[Document] = []
    for document in yaml.safe_load_all(text):
        kind, name = document["kind"], document["metadata"]["name"]
        if kind == "ValidatingWebhookConfiguration" or name in {"webhook-server-cert", "webhook-service"}:
            continue
        if kind == "CustomResourceDefinition":
            document["spec"].pop("conversion", None)
        elif kind in {"Deployment", "DaemonSet"}:
            pod = document["spec"]["template"]["spec"]
            _hurry(pod["containers"][0])
            if kind == "Deployment":
                # Only the server holds its image.
                pod["nodeSelector"] = SERVER_ONLY
                pod["volumes"].clear()
                pod["containers"][0]["volumeMounts"].clear()
                pod["containers"][0]["args"].append("--webhook-mode=disabled")
        kept.append(document)
    kept.append(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "memberlist", "namespace": METALLB_NAMESPACE},
            "data": {"secretkey": base64.b64encode(memberlist_key).decode()},
        }
    )
    return kept


def metallb_images(text: str) -> dict[str, str]:
    """The image that MetalLB's manifest names for its `controller` and its `speaker`."""
    found = {}
    for document in yaml.safe_load_all(text):
        if document["kind"] in {"Deployment", "DaemonSet"}:
            container = document["spec"]["template"]["spec"]["containers"][0]
            found[str(container["name"])] = str(container["image"])
    return found


def metallb_manifest() -> Path:
    """MetalLB's own manifest, from the Go module that its programs are built from."""
    return toolchain.module_file("metallb", "go.universe.tf/metallb", "config/manifests/metallb-native.yaml")


def server_manifests(metallb: Path, *, coredns: bool) -> dict[str, str]:
    """The files of the server's manifest folder by name; `metallb` is MetalLB's own manifest."""
    names = ["local-storage.yaml", "metallb-pool.yaml", *(["coredns.yaml"] if coredns else [])]
    # K3s deletes a manifest that has the name of a disabled addon.
    files = {f"lab-{name}": (FOLDER / name).read_text() for name in names}
    documents = adapt_metallb(metallb.read_text(), secrets.token_bytes(MEMBERLIST_BYTES))
    files["lab-metallb.yaml"] = yaml.safe_dump_all(documents, sort_keys=False)
    return files
