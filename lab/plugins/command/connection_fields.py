"""The fields of a `connection` input. It has no heavy imports, since every run needs it and few connect."""

from collections.abc import Mapping
from typing import Any, Final

DEFAULTS: Final = {"user": "root", "port": 22, "dialErrorLimit": 10, "perDialTimeout": 15}
FIELDS: Final = (
    *DEFAULTS,
    "host",
    "hostKey",
    "password",
    "privateKey",
    "privateKeyPassword",
    "agentSocketPath",
)
"""The fields of a connection and of its proxy; a connection also has `proxy`."""


def with_defaults(connection: Mapping[str, Any]) -> dict[str, Any]:
    """`connection` and its proxy with upstream's defaults where a field is absent."""
    filled = {**DEFAULTS, **{key: value for key, value in connection.items() if value is not None}}
    if isinstance(filled.get("proxy"), dict):
        filled["proxy"] = with_defaults(filled["proxy"])
    return filled
