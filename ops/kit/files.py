"""The files of a kit, each in the form and at the place that its clients read."""

import json
from collections.abc import Mapping
from typing import Any, Final

from ops.kit.ci import github_actions, gitlab
from ops.kit.facts import Facts
from ops.kit.guide import guide

LOGIN: Final = "config.json"
PRIVATE: Final = frozenset({LOGIN})
"""Files that nobody else may read."""
CONFIG_MAP: Final = "registry-kit"
_KANIKO: Final = "/kaniko/registry"


def files(facts: Facts, *, passwords: bool, login: str | None) -> dict[str, str]:
    """The text of each file, by its path in the kit.

    Args:
        facts: the registry.
        passwords: whether it asks for them.
        login: the docker configuration of one user; None leaves it out.

    """
    made = {
        "README.md": guide(facts, passwords=passwords, login=login is not None),
        "ca.crt": facts.bundle,
        "hosts": f"{facts.hosts_line}\n",
        "buildkitd.toml": facts.buildkit,
        "kaniko.json": json.dumps(kaniko(facts), indent=2) + "\n",
        "github-actions.yml": github_actions(facts, passwords=passwords),
        "gitlab-ci.yml": gitlab(facts, passwords=passwords),
    }
    for endpoint in facts.endpoints:
        made[f"certs.d/{endpoint}/ca.crt"] = facts.bundle
        made[f"containerd/{endpoint}/ca.crt"] = facts.bundle
        made[f"containerd/{endpoint}/hosts.toml"] = hosts_toml(endpoint)
    return made if login is None else made | {LOGIN: login}


def hosts_toml(endpoint: str) -> str:
    """Containerd's description of the registry under one of its names."""
    server = json.dumps(f"https://{endpoint}")
    # The path is relative to this file, wherever the directory is: a client without root has one of its own.
    return f'server = {server}\n\n[host.{server}]\n  capabilities = ["pull", "resolve", "push"]\n  ca = "ca.crt"\n'


def kaniko(facts: Facts) -> Mapping[str, Any]:
    """A ConfigMap with the authority, and the container's part of a pod that runs kaniko's executor.

    A pod does not know the registry's name on the LAN, so it pushes to the Service; nodes pull by the other name.
    """
    container = {
        "args": [
            "--context=...",
            f"--destination={facts.cluster_endpoint}/my-image:1",
            f"--registry-certificate={facts.cluster_endpoint}={_KANIKO}/ca.crt",
        ],
        "volumeMounts": [{"name": "registry", "mountPath": _KANIKO, "readOnly": True}],
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": CONFIG_MAP},
        "data": {"ca.crt": facts.bundle, "container.json": json.dumps(container, indent=2)},
    }
