"""The `auth` section: users with passwords, and that no error shows one."""

from typing import Any

import pytest

from components.config.parse import parse
from tests.config.stack_configs import SMALLEST, problems, with_value


def auth(**section: Any) -> dict[str, Any]:
    return with_value("auth", section)


def test_without_users_nobody_needs_a_password_and_nodes_have_no_port_of_their_own() -> None:
    config = parse(SMALLEST)
    assert (config.auth.configured, config.auth.enforced, config.pull_endpoint) == (False, False, None)
    assert parse(auth(users={})) == config


def test_users_close_the_registry_unless_it_is_still_open_to_all() -> None:
    config = parse(auth(users={"alice": "word"}), encrypted=["auth"])
    assert (config.auth.enforced, config.pull_endpoint) == (True, "registry.cube.local:5002")
    config = parse(auth(users={"alice": "word"}, anonymous=True, pullPort=6000), encrypted=["auth"])
    assert (config.auth.configured, config.auth.enforced) == (True, False)
    assert config.pull_endpoint == "registry.cube.local:6000"


@pytest.mark.parametrize("word", ["", "x" * 73, "ü" * 37, "a\0b"])
def test_a_password_that_bcrypt_would_not_read_whole_is_refused_and_not_shown(word: str) -> None:
    [problem] = problems(auth(users={"alice": word, "bob": "good"}), encrypted=["auth"])
    assert problem.startswith("auth.users.alice: found a value that is not shown; ")
    assert "1 to 72 bytes" in problem
    assert not word or word not in problem


@pytest.mark.parametrize("name", ["a:b", "", "#a", " a", "a\nb", "x" * 65, "k3s-registry-proof"])
def test_a_name_that_the_list_of_users_cannot_hold_is_refused(name: str) -> None:
    [problem] = problems(auth(users={name: "word"}), encrypted=["auth"])
    assert "a user's name must be letters" in problem
    assert "word" not in problem


def test_names_of_mail_addresses_are_accepted() -> None:
    assert parse(auth(users={"alice+1@example.org": "word"}), encrypted=["auth"])


def test_a_password_in_plain_text_is_refused_and_not_shown() -> None:
    [problem] = problems(auth(users={"alice": "very secret words"}))
    assert problem.startswith("auth.users.alice: is stored unencrypted in the stack file; it must be a secret; ")
    assert "`pulumi config set --secret --path auth.users.alice`" in problem
    assert "very secret" not in problem


def test_the_nodes_port_must_be_another_one() -> None:
    [problem] = problems(auth(users={"alice": "word"}, pullPort=5000), encrypted=["auth"])
    assert problem.startswith("auth.pullPort: ")
    assert "it must differ from port" in problem


@pytest.mark.parametrize("section", [{"anonymous": True}, {"pullPort": 5003}])
def test_the_other_keys_need_users(section: dict[str, Any]) -> None:
    [problem] = problems(auth(**section))
    assert problem.startswith("auth.users: is missing; ")
