"""Stack configurations for tests: the smallest one, with changes, and the problems that they have."""

import copy
from typing import Any

import pytest

from components.config.parse import ConfigError, parse

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK9vzGeAGyDClVeJUe+UJ7C8zs5ip6h6jVzyj9/dcx4R"
RSA = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7"
SMALLEST: dict[str, Any] = {
    "hostname": "registry.cube.local",
    "ip": "192.168.0.202",
    "nodes": {"cube01": {"host": "192.168.0.11", "hostKey": ED25519}},
}
BUCKET: dict[str, Any] = {"bucket": "images", "accessKey": "AKIA", "secretKey": "very/secret+words"}


def with_value(path: str, value: Any) -> dict[str, Any]:
    """The smallest valid configuration with one key changed."""
    values = copy.deepcopy(SMALLEST)
    *parents, last = path.split(".")
    target = values
    for parent in parents:
        target = target.setdefault(parent, {})
    target[last] = value
    return values


def problems(values: dict[str, Any], **options: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(values, **options)
    return [str(problem) for problem in caught.value.problems]
