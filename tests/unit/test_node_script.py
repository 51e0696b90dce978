import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import node_script

# A shell variable can hold any text but NUL; a lone surrogate is no text.
values = st.text(alphabet=st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"))


@given(values)
def test_the_shell_reads_back_every_value(value: str) -> None:
    text = node_script.render("trust.sh", {"node": value}).splitlines(keepends=True)
    settings = "".join(text[:-1])
    shell = subprocess.run(
        ["dash", "-s"], input=f'{settings}printf %s "$node"'.encode(), capture_output=True, check=True
    )
    assert shell.stdout.decode() == value


def test_settings_stand_readable_before_the_script() -> None:
    lines = node_script.render("trust.sh", {"node": "cube01", "address": "10.0.0.2"}).splitlines()
    assert lines[:2] == ["node=cube01", "address=10.0.0.2"]
    assert lines[2].startswith("script=")
    assert len(lines) == 3


@pytest.mark.parametrize("script", ["trust.sh", "proof.sh"])
def test_only_comments_are_taken_out_of_a_script(script: str) -> None:
    packed = node_script.render(script, {}).replace(' && eval "$script"', "; printf '%s\\n' \"$script\"")
    unpacked = subprocess.run(["dash", "-s"], input=packed.encode(), capture_output=True, check=True).stdout.decode()
    lines = [line.strip() for line in node_script.source(script).splitlines()]
    assert unpacked.splitlines() == [line for line in lines if line and not line.startswith("#")]


def test_the_command_line_holds_no_data() -> None:
    assert node_script.command("apply") == "sudo -n sh -s -- apply"


def test_a_name_that_is_no_shell_variable_is_refused() -> None:
    with pytest.raises(ValueError, match="no name of a shell variable"):
        node_script.render("trust.sh", {"PATH; x": "1"})
