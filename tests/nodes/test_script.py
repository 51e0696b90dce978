import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.nodes.script import NO_SUDO, PROOF, TRUST, TRUST_WITH_RESTART, Script, answer, command, render, setting

ANSWER = '{"digest":"sha256:1","pushed":true,"cluster":["a"]}\n'
# A shell variable can hold any string without NUL; a lone surrogate cannot be encoded.
values = st.text(alphabet=st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"))
names = st.from_regex(r"[a-z][a-z_]{0,9}", fullmatch=True).filter(lambda name: name != "script")
scripts = pytest.mark.parametrize(
    "script", [TRUST, TRUST_WITH_RESTART, PROOF], ids=["trust", "trust with restart", "proof"]
)


@given(values)
def test_the_shell_reads_every_value_unchanged(value: str) -> None:
    text = render(TRUST, {"node": value}).splitlines(keepends=True)
    settings = "".join(text[:-1])
    shell = subprocess.run(
        ["dash", "-s"], input=f'{settings}printf %s "$node"'.encode(), capture_output=True, check=True
    )
    assert shell.stdout.decode() == value


@given(st.dictionaries(names, values))
def test_every_setting_is_read_back_from_the_rendered_string(settings: dict[str, str]) -> None:
    text = render(TRUST, settings)
    assert {name: setting(text, name) for name in settings} == settings


@given(values)
def test_a_setting_that_only_another_value_holds_does_not_exist(value: str) -> None:
    assert setting(render(TRUST, {"node": f"{value}\naddress=10.0.0.2"}), "address") is None


def test_settings_are_readable_before_the_script() -> None:
    lines = render(TRUST, {"node": "cube01", "address": "10.0.0.2"}).splitlines()
    assert lines[:2] == ["node=cube01", "address=10.0.0.2"]
    assert lines[2].startswith("script=")
    assert len(lines) == 3


@scripts
def test_only_comments_are_stripped_from_a_script(script: Script) -> None:
    packed = render(script, {}).replace(' && eval "$script"', "; printf '%s\\n' \"$script\"")
    unpacked = subprocess.run(["dash", "-s"], input=packed.encode(), capture_output=True, check=True).stdout.decode()
    lines = [line.strip() for line in script.source().splitlines()]
    assert unpacked.splitlines() == [line for line in lines if line and not line.startswith("#")]


def test_the_command_line_holds_no_data() -> None:
    assert command("apply").removesuffix(" apply") == command("remove").removesuffix(" remove")


def test_every_login_shell_reads_the_command_line_alike() -> None:
    start, quoted, end = command("apply").split("'")
    assert (start, end) == ("sh -c ", " apply")
    assert not set(quoted) & set('!"\\\n')


def test_the_command_line_does_not_contain_the_words_by_which_a_failure_is_recognised() -> None:
    assert NO_SUDO not in command("apply")


def test_a_name_that_is_no_shell_variable_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot name a setting"):
        render(TRUST, {"PATH; x": "1"})


def test_a_value_with_a_nul_byte_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        render(TRUST, {"node": "a\0b"})


@pytest.mark.parametrize(
    "noise", ["", "Welcome to cube01!\n\n", "\x1b]0;cube01\x07", '{"lines": 2}\r\nmotd\n'], ids=repr
)
def test_what_a_login_shell_prints_before_the_answer_is_no_part_of_it(noise: str) -> None:
    assert answer(noise + ANSWER) == {"digest": "sha256:1", "pushed": True, "cluster": ["a"]}
