"""What the user of the example decides, read from the stack's configuration and checked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pulumi

_FUNCTION: Final = re.compile(
    r"(?P<name>[a-z]([a-z0-9-]{0,61}[a-z0-9])?):(?P<version>[A-Za-z0-9_][A-Za-z0-9._-]{0,127})"
)
_CHART_KEYS: Final = {"name", "repository", "version", "namespace"}


@dataclass(frozen=True, kw_only=True)
class FunctionImage:
    """A function, and the version of its image."""

    name: str
    version: str

    @property
    def reference(self) -> str:
        """The image below the prefix."""
        return f"{self.name}:{self.version}"


@dataclass(frozen=True, kw_only=True)
class Chart:
    """The Helm chart that installs OpenFaaS, and where it is installed."""

    name: str
    """A chart of `repository`, or the path of one on this computer."""
    repository: str | None = None
    version: str | None = None
    namespace: str = "openfaas"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The configuration; Pulumi.yaml describes each key."""

    registry_stack: str
    namespace: str
    create_namespace: bool
    function: FunctionImage | None
    replicas: int
    chart: Chart | None
    builder: str | None
    """The registry's user as whom builders push."""


def read(config: pulumi.Config) -> Settings:
    """The settings of this stack.

    Raises:
        pulumi.RunError: a key has a value that cannot be used; the message names key, value and rule.

    """
    return Settings(
        registry_stack=config.require("registryStack"),
        namespace=config.require("namespace"),
        create_namespace=config.require_bool("createNamespace"),
        function=function_image(config.get("function") or ""),
        replicas=config.require_int("replicas"),
        chart=chart(config.get_object("chart")),
        builder=config.get("builder") or None,
    )


def function_image(text: str) -> FunctionImage | None:
    """The function that `text` names; None where it is empty.

    Raises:
        pulumi.RunError: a version is missing, or is `latest`.

    """
    if not text:
        return None
    named = _FUNCTION.fullmatch(text)
    if named is None or named["version"] == "latest":
        message = (
            f"function: found {text!r}; it must be a function's name and a version that is never pushed twice, because "
            "nodes that have the image do not ask for it again; for example hello:1.0.0"
        )
        raise pulumi.RunError(message)
    return FunctionImage(name=named["name"], version=named["version"])


def chart(value: Mapping[str, Any] | None) -> Chart | None:
    """The chart that `value` describes; None where it is empty.

    Raises:
        pulumi.RunError: `name` is missing, or a key is unknown.

    """
    if not value:
        return None
    if "name" not in value or not set(value) <= _CHART_KEYS:
        message = (
            f"chart: found the keys {sorted(value)}; it must have name and may have repository, version, namespace"
        )
        raise pulumi.RunError(message)
    return Chart(**value)
