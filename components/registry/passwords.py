"""Passwords for people: the registry's list of users, and the port by which nodes pull without one."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import bcrypt
import pulumi
import pulumi_kubernetes as kubernetes

from components.config.auth import PROOF_USER, AuthSettings
from components.registry.secret_data import derived, encoded

CLIENT_CA_KEY: Final = "client-ca.crt"
USERS_KEY: Final = "htpasswd"
"""Keys of the registry's Secret."""
NODES_CONTAINER: Final = "registry-nodes"
NODES_CONTAINER_PORT: Final = 5002
PASSWORDS_ANNOTATION: Final = "k3s-registry/passwords"
_CLUSTER_CLIENTS: Final = "kube-system/extension-apiserver-authentication"
"""The ConfigMap in which each API server publishes the authority of the cluster's client certificates."""
_COST: Final = 10
_PROOF_COST: Final = 4
"""The least: that password has 256 random bits, and the registry computes the hash anew for each request."""
_STANDARD: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BCRYPT: Final = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_AUTH_VARIABLE: Final = "REGISTRY_AUTH"


@dataclass(frozen=True, kw_only=True)
class PasswordFiles:
    """What the registry reads at its start, as it goes into its Secret."""

    users: pulumi.Output[str]
    client_ca: pulumi.Output[str]

    @property
    def data(self) -> dict[str, pulumi.Output[str]]:
        """The keys that they are in the Secret."""
        files = {USERS_KEY: self.users, CLIENT_CA_KEY: self.client_ca}
        return {key: text.apply(encoded) for key, text in files.items()}

    @property
    def revision(self) -> pulumi.Output[str]:
        """Changes with both, and so rolls the pod: who was removed is out once the `up` has ended.

        It is no secret: without the salts, which come from the server's key, nobody can try passwords against it.
        """
        both = pulumi.Output.all(self.users, self.client_ca)
        return pulumi.Output.unsecret(both.apply(lambda known: hashlib.sha256("\n".join(known).encode()).hexdigest()))


def password_files(
    parent: pulumi.Resource, name: str, passwords: pulumi.Input[Mapping[str, str]], server_key: pulumi.Output[str]
) -> PasswordFiles:
    """The users' hashes, and the authority that signed the certificates which the cluster gave its nodes."""
    return PasswordFiles(
        users=pulumi.Output.all(passwords, server_key).apply(lambda known: htpasswd(known[0], known[1])),
        client_ca=client_authority(parent, name),
    )


def client_authority(parent: pulumi.Resource, name: str) -> pulumi.Output[str]:
    """The authority that signed the certificates which the cluster gave its nodes."""
    published = kubernetes.core.v1.ConfigMap.get(
        f"{name}-cluster-clients", _CLUSTER_CLIENTS, opts=pulumi.ResourceOptions(parent=parent)
    )
    return published.data.apply(published_authority)


def published_authority(data: Mapping[str, str] | None) -> str:
    """The authority of the cluster's client certificates, from what an API server published.

    Raises:
        pulumi.RunError: the API server accepts no client certificates, so nodes have none that could be recognised.

    """
    found = (data or {}).get("client-ca-file")
    if not found:
        message = (
            f"auth, cache: found no client-ca-file in ConfigMap {_CLUSTER_CLIENTS}; nodes pull with the certificates "
            "of the cluster, whose authority K3s publishes there; look at it with kubectl, or remove auth and cache"
        )
        raise pulumi.RunError(message)
    return found


def htpasswd(passwords: Mapping[str, str], server_key_pem: str) -> str:
    """The registry's list of users, the program's own included; the same at each `up` for the same server key."""
    hashes = {name: _hashed(name, password, server_key_pem, _COST) for name, password in sorted(passwords.items())}
    hashes[PROOF_USER] = _hashed(PROOF_USER, proof_password(server_key_pem), server_key_pem, _PROOF_COST)
    return "".join(f"{name}:{hashed}\n" for name, hashed in hashes.items())


def proof_password(server_key_pem: str) -> str:
    """The password of the program's own user; derived from the server's key, so it needs no resource."""
    return derived("proof password", server_key_pem).hex()


def proof_login(server_key_pem: str) -> str:
    """The program's own user and password, as HTTP clients take them."""
    return f"{PROOF_USER}:{proof_password(server_key_pem)}"


def _hashed(name: str, password: str, server_key_pem: str, cost: int) -> str:
    # Derived, since a random salt would give another hash, and so another pod, at each `up`.
    salt = base64.b64encode(derived(f"salt of {name}", server_key_pem)[:16]).decode().rstrip("=")
    written = f"$2b${cost:02}${salt.translate(str.maketrans(_STANDARD, _BCRYPT))}"
    return bcrypt.hashpw(password.encode(), written.encode()).decode()


def docker_configs(passwords: Mapping[str, str], endpoints: Sequence[str]) -> dict[str, str]:
    """By user: the docker configuration with which that user pushes and pulls."""

    def document(user: str, password: str) -> str:
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        return json.dumps({"auths": {endpoint: {"auth": login} for endpoint in endpoints}})

    return {user: document(user, password) for user, password in passwords.items()}


def password_variables() -> dict[str, str]:
    """The environment of a registry that asks for passwords."""
    return {
        _AUTH_VARIABLE: "htpasswd",
        f"{_AUTH_VARIABLE}_HTPASSWD_REALM": "k3s-registry",
        f"{_AUTH_VARIABLE}_HTPASSWD_PATH": f"/certs/{USERS_KEY}",
    }


def client_variables() -> dict[str, str]:
    """The environment of a registry that whoever has a certificate of the cluster may use, and nobody else."""
    return {"REGISTRY_HTTP_TLS_CLIENTCAS": f"[/certs/{CLIENT_CA_KEY}]"}


def nodes_variables() -> dict[str, str]:
    """The environment of the nodes' own registry, which they may read."""
    return {
        "REGISTRY_HTTP_ADDR": f":{NODES_CONTAINER_PORT}",
        **client_variables(),
        # One variable, because the registry does not start with a variable for `enabled` alone.
        "REGISTRY_STORAGE_MAINTENANCE_READONLY": "{enabled: true}",
    }


class Stage(IntEnum):
    """How far a registry is on the way from open to closed. Each step is one `up`, in both directions."""

    OPEN = 0
    """Nodes pull as everybody does."""
    BOTH = 1
    """Nodes have a port of their own, and nobody needs a password."""
    CLOSED = 2
    """Everybody else needs a password."""


def configured_stage(auth: AuthSettings) -> Stage:
    """The stage that the configuration asks for."""
    return Stage.CLOSED if auth.enforced else Stage.BOTH if auth.configured else Stage.OPEN


def deployed_stage(inputs: Mapping[str, Any] | None) -> Stage:
    """The stage of a Deployment, by its inputs."""
    pod = (inputs or {}).get("spec", {}).get("template", {}).get("spec", {})
    containers = {container["name"]: container for container in pod.get("containers", [])}
    if NODES_CONTAINER not in containers:
        return Stage.OPEN
    names = {variable["name"] for variable in containers["registry"].get("env", [])}
    return Stage.CLOSED if _AUTH_VARIABLE in names else Stage.BOTH


class PasswordsGuard:
    """Refuses an `up` in which nodes could not pull for a while, and knows whether this one closes the registry.

    The program cannot read its own state, but the engine calls a hook with a resource's former inputs, in a preview
    too.
    """

    closes: bool = False
    """Whether this `up` is the one from which on clients need a password; known once the Deployment is registered."""

    def __init__(self, auth: AuthSettings) -> None:
        self._wanted = configured_stage(auth)

    def hook(self, name: str) -> pulumi.ResourceHookBinding:
        """The hook of the Deployment of this resource name."""
        options = pulumi.ResourceHookOptions(on_dry_run=True)
        return pulumi.ResourceHookBinding(before_update=[pulumi.ResourceHook(f"{name}-passwords", self.judge, options)])

    def judge(self, change: pulumi.ResourceHookArgs) -> None:
        """Compare the Deployment's last inputs with the configuration.

        Raises:
            pulumi.RunError: this `up` would take two steps at once.

        """
        found = deployed_stage(change.old_inputs)
        reason = too_far(found, self._wanted)
        if reason is not None:
            raise pulumi.RunError(reason)
        self.closes = found is not Stage.CLOSED and self._wanted is Stage.CLOSED


def too_far(found: Stage, wanted: Stage) -> str | None:
    """Why pulls would fail on nodes for a while, or None if they would not."""
    if (found, wanted) == (Stage.OPEN, Stage.CLOSED):
        return (
            "auth: passwords would be required by the same `up` that shows nodes how to pull without one, so pulls "
            "would fail until every node knows; set auth.anonymous to true, run `pulumi up`, and set it to false in "
            "the next `up` (docs/operating.md)"
        )
    if (found, wanted) == (Stage.CLOSED, Stage.OPEN):
        return (
            "auth: the nodes' own port would go in the same `up` that opens the registry, so pulls would fail until "
            "both have happened; keep auth, set auth.anonymous to true, run `pulumi up`, and remove auth in the next "
            "`up` (docs/operating.md)"
        )
    return None
