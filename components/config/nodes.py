"""The part of the configuration that describes nodes: each machine, and how SSH reaches it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from components.config.types import Boolean, Host, HostKey, Integer, Model, Port, User

HOST_KEY_EXAMPLE: Final = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK9vzGeAGyDClVeJUe+UJ7C8zs5ip6h6jVzyj9/dcx4R"


class Role(StrEnum):
    """The part that a node plays in K3s."""

    SERVER = "server"
    AGENT = "agent"


class Proxy(Model):
    """The jump host: a machine through which nodes are reached."""

    host: Host = Field(description="The address or DNS name at which its SSH server answers.", examples=["203.0.113.7"])
    host_key: HostKey = Field(
        description="Its SSH server's public key, pinned as a node's is.",
        examples=[HOST_KEY_EXAMPLE],
    )
    user: User = Field(default="root", description="The login name there.", examples=["jump"])
    port: Port = Field(default=22, description="The port of its SSH server.", examples=[22])


class Ssh(Model):
    """How a node is reached."""

    user: User = Field(
        default="root",
        description="The login name; a user other than root needs `sudo -n`.",
        examples=["root"],
    )
    port: Port = Field(default=22, description="The port of the SSH server.", examples=[22])
    dial_timeout: Annotated[Integer, Field(ge=1, le=60)] = Field(
        default=3,
        description="Seconds for one attempt to connect.",
        examples=[3],
    )
    dial_tries: Annotated[Integer, Field(ge=1, le=20)] = Field(
        default=2,
        description="How many attempts to connect are made.",
        examples=[2],
    )
    proxy: Proxy | None = Field(
        default=None,
        description="The jump host through which every node is reached, with the same key or agent.",
        examples=[{"host": "203.0.113.7", "hostKey": HOST_KEY_EXAMPLE, "user": "jump"}],
    )


class NodeSettings(Model):
    """One entry of `nodes` as the user wrote it."""

    host: Host = Field(
        description="The address or DNS name at which its SSH server answers.",
        examples=["192.168.0.11"],
    )
    host_key: HostKey = Field(
        description="Its SSH server's public key, ed25519 or ECDSA: the line that `ssh-keyscan -t ed25519 HOST` "
        "prints, without the host name.",
        examples=[HOST_KEY_EXAMPLE],
    )
    user: User | None = Field(
        default=None,
        description="The login name, where it differs from ssh.user.",
        examples=["root"],
    )
    port: Port | None = Field(
        default=None,
        description="The port of its SSH server, where it differs from ssh.port.",
        examples=[22],
    )
    offline: Boolean = Field(
        default=False,
        description="Whether the node is off: nothing contacts it then.",
        examples=[True],
    )
    role: Role | None = Field(
        default=None,
        description="Its part in K3s; servers come last, with rollout serial of all, with waves of their wave.",
        examples=["agent"],
    )


@dataclass(frozen=True, kw_only=True)
class Node:
    """One machine of the cluster."""

    name: str
    """Its name in Kubernetes, and in this program's resources."""
    host: str
    host_key: str
    ssh: Ssh
    offline: bool
    role: Role | None = None
    """None where the configuration does not say: it then counts as an agent, and the node is not asked."""
