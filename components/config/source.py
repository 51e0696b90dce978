"""Where the configuration comes from: the strings that the engine passes to the program."""

import json
from collections.abc import Mapping
from typing import Any, Final

import pulumi
from pulumi.runtime import config as engine_config

from components.config.model import StackConfig
from components.config.parse import ConfigError, parse
from components.config.schema import SCHEMA, resolved

_STRUCTURED: Final = frozenset(
    key for key, schema in SCHEMA["properties"].items() if resolved(schema)["type"] != "string"
)
"""Keys that are not plain strings: the engine passes them as JSON."""


def read() -> StackConfig:
    """The running stack's configuration.

    Raises:
        pulumi.RunError: with every problem listed; the engine prints it without a stack trace.

    """
    # pulumi.Config can be asked for known keys only, and unknown ones are what has to be found.
    bag: Mapping[str, Any] = engine_config.CONFIG.get() or engine_config.get_config_env()
    encrypted = filter(engine_config.is_config_secret, bag)
    prefix = f"{pulumi.get_project()}:"
    try:
        return parse(decode(bag, prefix), encrypted=[key.removeprefix(prefix) for key in encrypted])
    except ConfigError as error:
        raise pulumi.RunError(str(error)) from None


def secret(name: str) -> pulumi.Output[str] | None:
    """One of the encrypted keys, or None where the user set none (an empty key is not a key)."""
    configuration = pulumi.Config()
    full_name = configuration.full_key(name)
    if not (engine_config.CONFIG.get() or engine_config.get_config_env()).get(full_name):
        return None
    return configuration.require_secret(name)


def passwords(config: StackConfig) -> pulumi.Output[dict[str, str]]:
    """The passwords of the registry's users, by name, each of them as secret as in the stack file."""
    known = {name: value.get_secret_value() for name, value in config.auth.users.items()}
    # Nothing is no secret, and an output that is one would be shown as such.
    return pulumi.Output.secret(known) if known else pulumi.Output.from_input(known)


def upstream_passwords(config: StackConfig) -> pulumi.Output[dict[str, str]]:
    """The passwords with which caches pull, by the name of the upstream, as secret as in the stack file."""
    known = {name: cache.password.get_secret_value() for name, cache in config.cache.items() if cache.password}
    return pulumi.Output.secret(known)


def s3_keys(config: StackConfig) -> pulumi.Output[dict[str, str]]:
    """The access key and the secret key of the bucket, by their names in the configuration; empty without a bucket."""
    s3 = config.storage.s3
    return pulumi.Output.from_input({}) if s3 is None else pulumi.Output.secret(s3.keys)


def decode(bag: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The program's own keys, each in the type that the user wrote."""
    values: dict[str, Any] = {}
    for full_name, text in bag.items():
        if not full_name.startswith(prefix):
            continue
        name = full_name.removeprefix(prefix)
        values[name] = _structured(text) if name in _STRUCTURED else text
    return values


def _structured(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError):
        # Not JSON: parse() reports what it should have been.
        return text
