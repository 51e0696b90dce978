"""The configuration as JSON schema: of its keys, and of a whole Pulumi.<stack>.yaml for editors.

`python -m components.config.schema` regenerates docs/stack.schema.json after a change of the models.
"""

import json
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from components.config.model import StackConfig

STACK_SCHEMA_FILE: Final = Path(__file__).parents[2] / "docs" / "stack.schema.json"
_NAMESPACE: Final = "k3s-registry"
_SECURE: Final = {
    "type": "object",
    "description": "A secret, as `pulumi config set --secret` stores it.",
    "properties": {"secure": {"type": "string"}},
    "required": ["secure"],
    "additionalProperties": False,
}
_STACK_KEYS: Final = {
    "encryptionsalt": "Salt of the passphrase that encrypts secrets; the CLI writes it.",
    "encryptedkey": "Key that encrypts secrets, itself encrypted by the secrets provider; the CLI writes it.",
    "secretsprovider": "The service that encrypts secrets, such as passphrase.",
}
_QUOTED: Final = {
    "integer": {"type": "string", "pattern": "^[0-9]+$"},
    "boolean": {"type": "string", "enum": ["true", "false"]},
}
"""`pulumi config set` writes numbers and truth values in quotes."""


class _SchemaOfKeys(GenerateJsonSchema):
    """Leaves null out, since it counts as an absent key, and titles, since they only repeat the names."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        written = super().default_schema(schema)
        return {key: value for key, value in written.items() if (key, value) != ("default", None)}

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        return False


SCHEMA: Final = StackConfig.model_json_schema(schema_generator=_SchemaOfKeys)
"""The user's keys with types, bounds, words, meanings and examples."""


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """A part of the schema with the definition that it refers to."""
    name = schema.get("$ref", "").removeprefix("#/$defs/")
    return {**SCHEMA["$defs"][name], **schema} if name else schema


def written(value: Any) -> str:
    """A value as a stack file has it, on one line."""
    if isinstance(value, str):
        return value
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=float("inf"))
    return text.removesuffix("\n").removesuffix("\n...")


def summary(key: str) -> str:
    """The meaning of a key of the top level, with the keys that it holds and their defaults."""
    schema = resolved(SCHEMA["properties"][key])
    inner = resolved(schema.get("additionalProperties") or schema)
    inner_keys = [_with_default(name, field) for name, field in inner.get("properties", {}).items()]
    meaning = schema["description"]
    if inner_keys:
        meaning = f"{meaning.removesuffix('.')}: {', '.join(inner_keys)}."
    marks = ["Required. "] if key in SCHEMA["required"] else []
    marks += ["Secret. "] if schema.get("writeOnly") else []
    return "".join([*marks, meaning])


def stack_schema() -> dict[str, Any]:
    """The schema of a Pulumi.<stack>.yaml."""
    keys = {f"{_NAMESPACE}:{key}": _as_stored(key, schema) for key, schema in SCHEMA["properties"].items()}
    config = {
        "type": "object",
        "properties": keys,
        "required": [f"{_NAMESPACE}:{key}" for key in SCHEMA["required"]],
        "patternProperties": {f"^(?!{_NAMESPACE}:)[^:]+:.": {}},
        "additionalProperties": False,
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": f"Stack file of {_NAMESPACE}",
        "type": "object",
        "properties": {
            **{key: {"type": "string", "description": meaning} for key, meaning in _STACK_KEYS.items()},
            "environment": {"description": "Pulumi ESC environments that the stack imports."},
            "config": config,
        },
        "required": ["config"],
        "additionalProperties": False,
        "definitions": {"secure": _SECURE},
    }


def _as_stored(key: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The forms that the CLI may store: the value, the value in quotes, or the encrypted value."""
    written = _inlined_parts(schema)
    about: dict[str, Any] = {
        name: written.pop(name) for name in ("default", "examples", "description") if name in written
    }
    plain = [] if schema.get("writeOnly") else [written, _QUOTED.get(written["type"])]
    forms = [*plain, {"$ref": "#/definitions/secure"}]
    return {**about, "description": summary(key), "anyOf": [form for form in forms if form]}


def _inlined(schema: Any) -> Any:
    """A schema without references, since editors overlook the keywords beside one."""
    if isinstance(schema, list):
        return [_inlined(part) for part in schema]
    if isinstance(schema, dict):
        # Below the top level there is no other form for a secret.
        return {"$ref": "#/definitions/secure"} if schema.get("writeOnly") else _inlined_parts(schema)
    return schema


def _inlined_parts(schema: dict[str, Any]) -> dict[str, Any]:
    return {name: _inlined(part) for name, part in resolved(schema).items() if name != "$ref"}


def _with_default(key: str, schema: dict[str, Any]) -> str:
    default = schema.get("default")
    return key if default is None else f"{key} ({written(default)})"


def main() -> None:
    """Write docs/stack.schema.json."""
    STACK_SCHEMA_FILE.write_text(json.dumps(stack_schema(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
