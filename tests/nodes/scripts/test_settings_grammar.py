"""K3s's configuration in every form that YAML allows: read as a YAML parser reads it, or not at all."""

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.nodes.scripts.awk import Program

PROGRAM = Program(("k3s_settings.awk",))
UNCERTAIN = "?"
MATTERS = ("data-dir", "private-registry", "node-name")
OTHERS = ("tls-san", "node-label", "token", "disable", "write-kubeconfig-mode")

words = st.one_of(
    st.text("ab/.-_ ", max_size=12).filter(lambda text: text != "--"),
    st.sampled_from(
        ["/mnt/ssd", "a: b", "a #b", "- x", "[a", "{a", "*a", "&a", "!x", "it's", 'a"b', "a\\b", "é", "x,y"]
    ),
    st.sampled_from(["line\nbreak", " lead", "trail ", "null", "~", "0644", "yes"]),
)
values = st.one_of(words, st.none(), st.lists(words, max_size=3), st.dictionaries(words, words, min_size=1, max_size=2))
documents = st.dictionaries(st.sampled_from(MATTERS + OTHERS), values, min_size=1)
styles = st.fixed_dictionaries(
    {
        "default_flow_style": st.sampled_from([None, False, True]),
        "default_style": st.sampled_from([None, None, "'", '"', "|", ">"]),
        "width": st.sampled_from([20, 1000]),
        "explicit_start": st.booleans(),
        "line_break": st.sampled_from(["\n", "\r\n"]),
    }
)


def reading(text: str) -> dict[str, str] | None:
    """The settings that matter, as the program reads them; None where it is not certain."""
    status, printed = PROGRAM.answer(text.encode())
    assert status == 0
    lines = printed.decode().splitlines()
    if UNCERTAIN in lines:
        return None
    places = {line[2:]: at for at, line in enumerate(lines) if line.startswith("--")}
    return {key: lines[places[key] + 1] for key in MATTERS if key in places}


def settings_of(document: dict[str, Any]) -> dict[str, str]:
    """The settings that matter, as K3s takes them; it leaves out empty ones."""
    return {key: document[key] for key in MATTERS if document.get(key)}


@settings(max_examples=100)
@given(document=documents, style=styles)
def test_a_configuration_is_read_as_yaml_or_not_for_certain(document: dict[str, Any], style: dict[str, Any]) -> None:
    text = yaml.safe_dump(document, allow_unicode=True, sort_keys=False, **style)
    assert reading(text) in (None, settings_of(document))


@pytest.mark.parametrize("style", [{}, {"default_flow_style": True}, {"default_style": '"'}, {"default_style": "'"}])
@settings(max_examples=20)
@given(path=st.text("ab/.-_", min_size=1, max_size=12))
def test_a_plain_path_is_always_certain(style: dict[str, Any], path: str) -> None:
    document = {"tls-san": ["a", "b"], "data-dir": f"/{path}", "token": "t"}
    assert reading(yaml.safe_dump(document, sort_keys=False, **style)) == {"data-dir": f"/{path}"}


@pytest.mark.parametrize(
    "text",
    [
        "data-dir: /mnt/ssd\n  /k3s\n",
        "data-dir:\n  /mnt/ssd\n  /k3s\n",
        "data-dir:\n  path: /mnt/ssd\n",
        "data-dir: !!str >-\n  /mnt/ssd\n",
        "{data-dir: /mnt/ssd\n  /k3s}\n",
    ],
)
def test_a_path_on_more_than_one_line_is_not_certain(text: str) -> None:
    assert reading(text) is None
