"""The administrator's kubeconfig, which the server's K3s creates."""

import time
from pathlib import Path
from typing import Any

import yaml

from lab.k3s_unit import unit_state
from lab.machines import Machine
from lab.progress import step
from lab.settings import API_URL, SERVER, Lab, LabError

WRITTEN_SECONDS = 120.0


def fetch_kubeconfig(lab: Lab) -> None:
    """Copy the administrator's kubeconfig from the server, which K3s writes there when it first starts.

    Raises:
        LabError: K3s has not written it; the message says why, as far as its unit does, and where to look.
    """
    server = Machine(lab, SERVER)
    source = server.path("/etc/rancher/k3s/k3s.yaml")
    deadline = time.monotonic() + WRITTEN_SECONDS
    with step("cluster: administrator's kubeconfig"):
        while not (document := _kubeconfig(source)):
            if time.monotonic() > deadline:
                look = lab.call("enter", server.name, "journalctl", "-u", "k3s", "-n", "50")
                fault = f"K3s wrote no {source.name} in {WRITTEN_SECONDS:.0f} s"
                message = f"{fault}; {unit_state(server)}\n  look with: {look}"
                raise LabError(message)
            time.sleep(0.1)
    # K3s names its own machine there.
    document["clusters"][0]["cluster"]["server"] = API_URL
    beside = lab.state / ".kubeconfig.new"
    beside.touch(mode=0o600)
    beside.write_text(yaml.safe_dump(document, sort_keys=False))
    beside.replace(lab.kubeconfig)


def _kubeconfig(path: Path) -> dict[str, Any] | None:
    """The kubeconfig at `path`, or None while it is missing or incomplete."""
    try:
        document = yaml.safe_load(path.read_text())
        return document if document["users"][0]["user"]["client-key-data"] else None
    except (OSError, yaml.YAMLError, LookupError, TypeError):
        return None
