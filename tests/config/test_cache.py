"""The `cache` section: upstreams, and the addresses of their caches."""

from typing import Any

import pytest

from components.config.cache import Cache, server_url
from components.config.parse import parse
from tests.config.stack_configs import SMALLEST, problems, with_value

IP, OTHER = "10.43.0.53", "10.43.0.54"
LOGIN = {"username": "alice", "password": "a secret word"}


def cache(**upstreams: Any) -> dict[str, Any]:
    return with_value("cache", upstreams)


def hub(**section: Any) -> dict[str, Any]:
    return cache(**{"docker.io": {"ip": IP, **section}})


def test_without_the_key_there_is_no_cache() -> None:
    assert parse(SMALLEST).cache == {}
    assert parse(cache()) == parse(SMALLEST)


def test_an_address_is_enough() -> None:
    config = parse(hub())
    assert config.cache == {"docker.io": Cache(address=IP, size="10Gi", keep_days=7)}
    assert config.cache["docker.io"].endpoint == f"{IP}:5000"
    assert parse(hub(ip="fd43::35")).cache["docker.io"].endpoint == "[fd43::35]:5000"


def test_an_upstream_is_where_its_name_says_unless_the_stack_says_otherwise() -> None:
    config = parse(cache(**{"docker.io": {"ip": IP}, "ghcr.io": {"ip": OTHER, "remoteUrl": "http://10.0.0.1:5000"}}))
    assert config.cache["docker.io"].url("docker.io") == "https://registry-1.docker.io"
    assert config.cache["ghcr.io"].url("ghcr.io") == "http://10.0.0.1:5000"
    assert server_url("gitlab.lan:5050") == "https://gitlab.lan:5050"


@pytest.mark.parametrize(
    ("section", "key", "told"),
    [
        ({"ip": None}, "ip", "it is required"),
        ({"ip": "127.0.0.1"}, "ip", "it must be an address that other machines reach"),
        ({"remoteUrl": "https://m.test/v2"}, "remoteUrl", "it must be http:// or https://"),
        ({"remoteUrl": "https://alice:word@m.test"}, "remoteUrl", "it must be http:// or https://"),
        ({"size": "big"}, "size", "Kubernetes quantity"),
        ({"keepDays": 0}, "keepDays", "an integer from 1"),
    ],
)
def test_a_wrong_value_is_refused(section: dict[str, Any], key: str, told: str) -> None:
    [problem] = problems(hub(**section))
    assert problem.startswith(f"cache.docker.io.{key}: ")
    assert told in problem


@pytest.mark.parametrize("name", ["Docker.io", "a.b/c", "https://a.b", "a.b:", "a.b:x", "10.0.0.1", "x" * 58])
def test_a_name_with_which_no_image_begins_is_refused(name: str) -> None:
    [problem] = problems(cache(**{name: {"ip": IP}}))
    assert "it must be the name with which images of the upstream begin" in problem


@pytest.mark.parametrize("name", ["registry-1.docker.io", "index.docker.io"])
def test_docker_hub_has_one_name(name: str) -> None:
    [problem] = problems(cache(**{name: {"ip": IP}}))
    assert "images of Docker Hub begin with docker.io" in problem


def test_the_registry_is_not_its_own_upstream() -> None:
    [problem] = problems(cache(**{"registry.cube.local:5000": {"ip": IP}}))
    assert "it is the registry's own" in problem


def test_two_caches_have_two_names_in_the_cluster() -> None:
    [problem] = problems(cache(**{"a.b": {"ip": IP}, "a-b": {"ip": OTHER}}))
    assert problem.startswith("cache.a-b: ")
    assert "cache.a.b has the same" in problem


@pytest.mark.parametrize("other", [{"cache": {"docker.io": {"ip": IP}, "ghcr.io": {"ip": IP}}}, {"ip": IP}])
def test_each_cache_has_an_address_of_its_own(other: dict[str, Any]) -> None:
    [problem] = problems(hub() | other)
    assert ".ip: found" in problem
    assert "a cache needs an address of its own" in problem


@pytest.mark.parametrize(("key", "other"), [("username", "password"), ("password", "username")])
def test_a_user_needs_a_password_and_a_password_a_user(key: str, other: str) -> None:
    [problem] = problems(hub(**{key: LOGIN[key]}), encrypted=["cache"])
    assert problem.startswith(f"cache.docker.io.{other}: is missing")
    assert LOGIN["password"] not in problem


def test_a_password_in_plain_text_is_refused_with_a_command_that_works() -> None:
    [problem] = problems(hub(**LOGIN))
    assert "is stored unencrypted" in problem
    assert "`pulumi config set --secret --path 'cache[\"docker.io\"].password'`" in problem
    assert LOGIN["password"] not in problem
    assert parse(hub(**LOGIN), encrypted=["cache"])
