"""How a command becomes root: by login shells of every kind, without sudo, and past every way in which sudo refuses."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from components.config.nodes import Node
from components.nodes.script import NO_SUDO, command
from components.nodes.unreachable import explain
from tests.nodes.scripts.node import executable
from tests.nodes.test_unreachable import NODE

REFUSALS = {
    "sudo": "sudo: a password is required",
    "sudo-rs": "sudo: interactive authentication is required",
    "German": "sudo: Ein Passwort ist notwendig",
    "Catalan": "sudo: es requereix una contrasenya",
    "no sudoer": "pi is not in the sudoers file.\nThis incident has been reported to the administrator.",
    "requiretty": "sudo: sorry, you must have a tty to run sudo",
    "policy": "Sorry, user pi is not allowed to execute '/usr/bin/sh -s -- apply' as root on cube01.",
}
LOGIN_SHELLS = {
    "dash": ("dash", "-c"),
    "bash": ("bash", "-c"),
    "busybox": ("busybox", "sh", "-c"),
    "zsh": ("zsh", "-c"),
    "fish": ("fish", "-c"),
    "tcsh": ("tcsh", "-c"),
}


def as_user(folder: Path, user: int, sudo: str | None, login: str = "dash") -> subprocess.CompletedProcess[str]:
    """Run the command line as sshd would: by the login shell, with a script on standard input."""
    program, *words = LOGIN_SHELLS[login]
    shell = shutil.which(program)
    if shell is None:
        pytest.skip(f"{program} is not installed")
    tools = folder / "bin"
    executable(tools / "id", f"#!/bin/sh\necho {user}\n")
    (tools / "sh").symlink_to(os.path.realpath("/bin/sh"))
    if sudo is not None:
        executable(tools / "sudo", f"#!/bin/sh\n{sudo}\n")
    return subprocess.run(
        [shell, *words, command("apply")],
        env={"PATH": str(tools), "HOME": str(folder)},
        input='echo "ran $1"\necho the rest\n',
        capture_output=True,
        text=True,
        check=False,
    )


# Debian's busybox takes its own `id`, whatever PATH says: it cannot play another user.
OF_USERS = sorted(set(LOGIN_SHELLS) - {"busybox"})
GRANTED = '[ "$*" = "-n sh -s -- apply" ] || exit 1\nshift\n[ -t 0 ] || echo called >>"$HOME/sudo"\nexec "$@"'


@pytest.mark.parametrize("login", LOGIN_SHELLS)
def test_root_needs_no_sudo(tmp_path: Path, login: str) -> None:
    done = as_user(tmp_path, 0, None, login)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ran apply\nthe rest\n", "")


@pytest.mark.parametrize("login", OF_USERS)
def test_another_user_becomes_root_and_standard_input_reaches_the_script_whole(tmp_path: Path, login: str) -> None:
    done = as_user(tmp_path, 1000, GRANTED, login)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ran apply\nthe rest\n", "")


def test_root_calls_no_sudo_even_where_there_is_one(tmp_path: Path) -> None:
    as_user(tmp_path, 0, GRANTED)
    assert not (tmp_path / "sudo").exists()


def explained(done: subprocess.CompletedProcess[str], node: Node = NODE) -> str | None:
    """The sentence for the error that the plugin makes of an exit."""
    error = f'Process exited with status {done.returncode}: running "{command("apply")}":\n{done.stderr}'
    return explain(node, error, offered="")


@pytest.mark.parametrize("said", REFUSALS.values(), ids=REFUSALS.keys())
def test_whatever_sudo_says_it_is_one_sentence(tmp_path: Path, said: str) -> None:
    done = as_user(tmp_path, 1000, f'printf "%s\\n" "{said}" >&2; exit 1')
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{NO_SUDO}: {' '.join(said.split())}\n"
    assert "`sudo -n` does not work there" in (explained(done) or "")


@pytest.mark.parametrize("login", OF_USERS)
def test_a_missing_sudo_is_the_same_sentence(tmp_path: Path, login: str) -> None:
    done = as_user(tmp_path, 1000, None, login)
    assert done.stderr.startswith(NO_SUDO)
    assert "`sudo -n` does not work there" in (explained(done) or "")


@pytest.mark.parametrize("said", ["sudo: interactive authentication is required", "sudo: Ein Passwort ist notwendig"])
def test_the_command_line_of_former_versions_is_explained_too(said: str) -> None:
    error = f'Process exited with status 1: running "sudo -n sh -s -- remove":\n{said}\n'
    assert "`sudo -n` does not work there" in (explain(NODE, error, offered="") or "")


def test_a_warning_of_sudo_does_not_hide_the_sentence_of_the_script() -> None:
    said = "sudo: unable to resolve host cube01\nnode cube01: found no k3s command; the node must run K3s; install it"
    error = f'Process exited with status 1: running "{command("apply")}":\n{said}\n'
    assert explain(NODE, error, offered="") is None
