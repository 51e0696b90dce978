"""Whatever a user writes, the configuration is accepted or refused in our words, and a secret stays hidden."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.config.model import StackConfig
from components.config.parse import ConfigError, parse
from components.config.schema import SCHEMA, resolved
from components.config.source import decode
from tests.config.stack_configs import BUCKET, SMALLEST, with_value

TEXT = st.text() | st.text(st.characters(categories=["Cs"]))
"""Any string, halves of surrogate pairs included, which JSON can escape."""
NAMES = TEXT | st.none() | st.booleans() | st.integers()
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
QUICKLY = settings(max_examples=40)
SECRET_KEYS = ("sshPrivateKey", "kubeconfig", "caPrivateKey")
ENTRIES = ("nodes", "nodes.cube01", "storage", "certificates", "ssh", "kubernetes", "nodeSelector")


def examples(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Every example of the schema, with the key that it belongs to."""
    for key, field in schema.get("properties", {}).items():
        inner = resolved(field)
        yield from ((f"{path}{key}", example) for example in inner["examples"])
        yield from examples(inner, f"{path}{key}.")
    if path and schema.get("additionalProperties"):
        yield from examples(resolved(schema["additionalProperties"]), f"{path}cube01.")


def refusal(values: dict[str, Any]) -> ConfigError | None:
    try:
        parse(values)
    except ConfigError as error:
        return error
    return None


def assert_accepted_or_refused(values: dict[str, Any]) -> None:
    error = refusal(values)
    if error is None:
        assert parse(values).nodes, "an accepted configuration must be usable"
        return
    assert error.problems, "a refusal must have a reason"
    assert "Input should" not in str(error), "a reason must be in our words"
    assert str(error).encode(), "a terminal must be able to show it"


@pytest.mark.parametrize("key", SCHEMA["properties"])
@QUICKLY
@given(VALUES)
def test_no_value_of_any_shape_breaks_the_reader(key: str, value: Any) -> None:
    assert_accepted_or_refused({**SMALLEST, key: value})


@QUICKLY
@given(st.sampled_from(ENTRIES), NAMES, VALUES)
def test_no_entry_of_any_name_breaks_the_reader(path: str, name: object, value: Any) -> None:
    values = with_value(path, {name: value, **(SMALLEST["nodes"] if path == "nodes" else {})})
    assert_accepted_or_refused(values)


@pytest.mark.parametrize("name", ["\ud800", 1, True, None])
def test_no_key_of_any_name_breaks_the_reader(name: Any) -> None:
    assert_accepted_or_refused({**SMALLEST, name: "x"})


def test_a_number_that_python_does_not_print_is_refused() -> None:
    values = {**SMALLEST, "port": 10**5000}
    assert_accepted_or_refused(values)
    assert refusal(values) is not None


@pytest.mark.parametrize("text", ["[" * 100_000, "1" * 5000, "NaN", '"\\ud800"', "1e999"])
@pytest.mark.parametrize("key", ["nodes", "port", "aliases"])
def test_no_string_of_the_engine_breaks_the_reader(key: str, text: str) -> None:
    assert_accepted_or_refused({**SMALLEST, **decode({f"k3s-registry:{key}": text}, "k3s-registry:")})


@pytest.mark.parametrize("key", SECRET_KEYS)
@pytest.mark.parametrize("encrypted", [True, False])
@QUICKLY
@given(st.text("秘密鍵", min_size=3))
def test_a_secret_is_never_shown(key: str, encrypted: bool, secret: str) -> None:  # noqa: FBT001 - parametrized
    for value in (secret, [secret], {"content": secret}):
        with pytest.raises(ConfigError) as caught:
            parse({key: value}, encrypted=[key] if encrypted else [])
        assert secret not in str(caught.value)


@pytest.mark.parametrize(("path", "example"), [*examples(SCHEMA)])
def test_every_example_is_valid(path: str, example: Any) -> None:
    """An error shows the example, and the rest of a wrong configuration is checked with it."""
    values = with_value(path, copy.deepcopy(example))
    if path.startswith("ssh.proxy."):
        values["ssh"]["proxy"] = {**SMALLEST["nodes"]["cube01"], **values["ssh"]["proxy"]}
    if path.startswith("cache."):
        values["cache"]["cube01"].setdefault("ip", "10.43.0.53")
    if path.startswith("storage.s3."):
        values["storage"]["s3"] = {**BUCKET, **values["storage"]["s3"]}
    assert StackConfig.model_validate(values, by_alias=True, by_name=False)
