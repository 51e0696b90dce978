"""kubeconfig files: which cluster, which credentials, which namespace."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab.plugins.server import PluginError

_FILE_FIELDS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


class KubeconfigError(PluginError):
    """A kubeconfig that is missing or cannot be used."""


@dataclass(frozen=True)
class Target:
    """One context of a kubeconfig, resolved. The maps are as in the file, relative file names made absolute."""

    context: str
    server: str
    cluster: Mapping[str, Any]
    user: Mapping[str, Any]
    namespace: str


def parse(text: str) -> dict[str, Any] | None:
    """A kubeconfig given as a path or as its content; None when it is empty, absent or no mapping."""
    if not text.strip():
        return None
    base = Path.cwd()
    content = text
    if "\n" not in text and not text.lstrip().startswith("{"):
        path = Path(text).expanduser()
        try:
            content = path.read_text()
        except OSError:
            return None
        base = path.resolve().parent
    try:
        loaded = yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  # both are safe loaders
    except yaml.YAMLError:
        return None
    if not isinstance(loaded, dict):
        return None
    for kind in ("cluster", "user"):
        for entry in loaded.get(f"{kind}s") or []:
            fields = entry.get(kind) or {}
            for name in _FILE_FIELDS:
                if fields.get(name):
                    fields[name] = str(base / Path(fields[name]).expanduser())
    return loaded


def ambient() -> str:
    """The path of the default kubeconfig: the first one in `KUBECONFIG`, or the user's own."""
    return os.environ.get("KUBECONFIG", "").split(os.pathsep)[0] or str(Path.home() / ".kube" / "config")


def resolve(text: str, context: str = "", cluster: str = "") -> Target:
    """The context that is current or named, with its cluster replaced if `cluster` is given.

    Raises:
        KubeconfigError: nothing there, or the names in it lead nowhere.
    """
    source = text or ambient()
    loaded = parse(source)
    where = "the given kubeconfig" if "\n" in source or source.lstrip().startswith("{") else source
    if loaded is None:
        message = f"{where} is not there or is not a kubeconfig; set kubeconfig on the provider or KUBECONFIG"
        raise KubeconfigError(message)
    name = context or loaded.get("current-context") or ""
    chosen = _named(loaded, "context", name, where)
    cluster_fields = _named(loaded, "cluster", cluster or chosen.get("cluster", ""), where)
    server = cluster_fields.get("server")
    if not server:
        message = f"{where}: cluster {chosen.get('cluster')!r} has no server address"
        raise KubeconfigError(message)
    user = _named(loaded, "user", chosen["user"], where) if chosen.get("user") else {}
    return Target(name, server, cluster_fields, user, chosen.get("namespace") or "default")


def active_cluster(text: str, context: str, cluster: str) -> Mapping[str, Any] | None:
    """The cluster entry that a provider with these settings would use; None when that cannot be told."""
    try:
        return resolve(text, context, cluster).cluster if text else None
    except KubeconfigError:
        return None


def _named(loaded: Mapping[str, Any], kind: str, name: str, where: str) -> dict[str, Any]:
    for entry in loaded.get(f"{kind}s") or []:
        if entry.get("name") == name:
            return dict(entry.get(kind) or {})
    known = ", ".join(sorted(str(entry.get("name")) for entry in loaded.get(f"{kind}s") or [])) or "none"
    message = f"{where} has no {kind} named {name!r}; it has: {known}"
    raise KubeconfigError(message)
