"""Pulumi.yaml, the README's table and the editors' schema say the same of each key as the models."""

import json
import re
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from components.config.parse import ConfigError, parse
from components.config.schema import SCHEMA, STACK_SCHEMA_FILE, resolved, stack_schema, summary
from lab.settings import PROJECT
from tests.config.stack_configs import SMALLEST, with_value

KEYS = {key: resolved(schema) for key, schema in SCHEMA["properties"].items()}
EMPTY = {"string": "", "array": [], "object": {}}


def declared() -> dict[str, dict[str, Any]]:
    """The keys as Pulumi.yaml declares them."""
    keys: dict[str, dict[str, Any]] = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text())["config"]
    return keys


def table() -> dict[str, str]:
    """The README's default for each key."""
    section = (PROJECT / "README.md").read_text().partition("## Configuration")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", section, re.MULTILINE))


def inner_defaults(schema: dict[str, Any]) -> dict[str, Any]:
    """The defaults of a section's own keys."""
    properties = schema.get("properties", {})
    fields = {key: resolved(field) for key, field in properties.items()}
    return {key: field["default"] for key, field in fields.items() if "default" in field}


def complaints(document: Any) -> list[str]:
    return [error.message for error in Draft7Validator(stack_schema()).iter_errors(document)]


def stack_file(**changes: Any) -> dict[str, Any]:
    """The committed stack file with some keys changed."""
    document: dict[str, Any] = yaml.safe_load((PROJECT / "Pulumi.dev.yaml").read_text())
    document["config"] |= {f"k3s-registry:{key}": value for key, value in changes.items()}
    return document


def test_pulumi_yaml_declares_every_key_in_the_models_words() -> None:
    assert {key: entry["description"] for key, entry in declared().items()} == {key: summary(key) for key in KEYS}


def test_pulumi_yaml_declares_every_type() -> None:
    assert {key: entry["type"] for key, entry in declared().items()} == {key: KEYS[key]["type"] for key in KEYS}


def test_pulumi_yaml_declares_every_default() -> None:
    """A key without a default has an empty value: the CLI stops at the first key without a default."""
    expected = {key: schema.get("default", EMPTY.get(schema["type"])) for key, schema in KEYS.items()}
    assert {key: entry["default"] for key, entry in declared().items()} == expected


def test_the_declared_defaults_change_nothing() -> None:
    defaults = {key: entry["default"] for key, entry in declared().items()}
    assert parse({**defaults, **SMALLEST}) == parse(SMALLEST)


def test_no_key_is_declared_secret() -> None:
    """The CLI requires every key that is declared secret."""
    assert [key for key, entry in declared().items() if "secret" in entry] == []


def test_the_readme_has_every_key_once_and_in_order() -> None:
    assert list(table()) == list(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_the_readme_gives_the_default_of(key: str) -> None:
    given, schema = table()[key], KEYS[key]
    inner = inner_defaults(schema)
    if key in SCHEMA["required"]:
        assert given == "required"
    elif inner or schema.get("default") not in (None, ""):
        expected = inner or schema["default"]
        text = given.strip("`")
        assert yaml.safe_load(f"{{{text}}}" if isinstance(expected, dict) else text) == expected
    else:
        assert "`" not in given, "a value where the models have no default"


def test_the_readmes_error_is_the_programs() -> None:
    wrong = with_value("storage.clasName", "longhorn") | {"ip": "192.168.0.2O2"}
    [node] = wrong["nodes"].values()
    wrong["nodes"] = {"control01": node, "cube01": node}
    with pytest.raises(ConfigError) as caught:
        parse(wrong)
    readme = " ".join((PROJECT / "README.md").read_text().split())
    assert " ".join(str(caught.value).split()) in readme


def test_the_committed_schema_is_current() -> None:
    """`python -m components.config.schema` regenerates it."""
    assert json.loads(STACK_SCHEMA_FILE.read_text()) == stack_schema()


def test_the_schema_is_one() -> None:
    Draft7Validator.check_schema(stack_schema())


def test_the_stack_file_names_the_schema() -> None:
    first = (PROJECT / "Pulumi.dev.yaml").read_text().partition("\n")[0]
    assert PROJECT / first.rpartition("$schema=")[2] == STACK_SCHEMA_FILE


def test_the_committed_stack_file_follows_the_schema() -> None:
    assert complaints(stack_file()) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"hostnme": "registry.cube.local"},
        {"hostname": "registry cube"},
        {"port": 70000},
        {"rollout": "slow"},
        {"storage": {"sise": "15Gi"}},
        {"nodes": {"cube01": {"host": "192.168.0.11"}}},
        {"nodes": {"Cube01": {"host": "192.168.0.11", "hostKey": SMALLEST["nodes"]["cube01"]["hostKey"]}}},
        {"sshPrivateKey": "in plain text"},
    ],
)
def test_the_schema_marks(changes: dict[str, Any]) -> None:
    assert len(complaints(stack_file(**changes))) == 1


def test_the_schema_marks_a_missing_key() -> None:
    document = stack_file()
    del document["config"]["k3s-registry:ip"]
    assert len(complaints(document)) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"sshPrivateKey": {"secure": "v1:abc"}},
        {"hostname": {"secure": "v1:abc"}},
        {"port": "5001"},
        {"systemTrust": "false"},
        {"nodeSelector": {}},
    ],
)
def test_the_schema_follows_what_the_cli_writes(changes: dict[str, Any]) -> None:
    assert complaints(stack_file(**changes)) == []


def test_the_schema_leaves_other_namespaces_alone() -> None:
    document = stack_file()
    document["config"]["kubernetes:context"] = "default"
    assert complaints({**document, "secretsprovider": "passphrase"}) == []


@pytest.mark.parametrize("path", ["nodes.cube01.host_key", "address", "storage.class_name"])
def test_the_names_of_fields_are_no_keys(path: str) -> None:
    with pytest.raises(ConfigError, match="is not a key of this program"):
        parse(with_value(path, "x"))
