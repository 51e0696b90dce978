"""The `cache` section of the configuration: the upstreams whose images are kept in the cluster, and for how long."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from pydantic import AfterValidator, Field, SecretStr, WithJsonSchema

from components.config import rules
from components.config.problem import Problem, shown
from components.config.types import Address, Integer, Model, Note, Quantity, refusal

if TYPE_CHECKING:
    from components.config.registry import RegistrySettings

PORT: Final = 5000
"""Of every cache, at its own address."""
_HUB: Final = "docker.io"
_HUB_SERVER: Final = "registry-1.docker.io"
"""Where the images of Docker Hub really are, as containerd and K3s know it."""
_HUB_NAMES: Final = (_HUB_SERVER, "index.docker.io", "hub.docker.com")
_NAME_CHARACTERS: Final = 57
"""So that the names of objects, `cache-` and this, have no more than Kubernetes allows."""
_PORT: Final = r"(:[1-9][0-9]{0,4})?"
_URL: Final = rf"https?://{rules.DNS_NAME}{_PORT}"
_SET_PASSWORD: Final = "`pulumi config set --secret --path 'cache[\"docker.io\"].password'`"  # noqa: S105 - how one is set


def _upstream(name: str) -> str:
    host = name.partition(":")[0]
    wrong = rules.registry_name(host)
    if wrong is not None or not re.fullmatch(_PORT, name.removeprefix(host)) or len(name) > _NAME_CHARACTERS:
        rule = (
            "it must be the name with which images of the upstream begin, with its port if it has one, at most "
            f"{_NAME_CHARACTERS} characters"
        )
        raise refusal(rule)
    if name in _HUB_NAMES:
        rule = f"images of Docker Hub begin with {_HUB}"
        raise refusal(rule)
    return name


def _remote_url(value: str) -> str:
    if not re.fullmatch(_URL, value):
        rule = "it must be http:// or https://, a name or an address in lower case, and its port if it has one"
        raise refusal(rule)
    return value


def _password(value: SecretStr) -> SecretStr:
    if "\0" in value.get_secret_value():
        rule = "it must have no NUL, which no environment variable can hold"
        raise refusal(rule)
    return value


UpstreamName: TypeAlias = Annotated[str, AfterValidator(_upstream)]
RemoteUrl: TypeAlias = Annotated[
    str, AfterValidator(_remote_url), WithJsonSchema({"type": "string", "pattern": f"^{_URL}$"})
]
UpstreamPassword: TypeAlias = Annotated[SecretStr, AfterValidator(_password)]


class Cache(Model):
    """The cache of one upstream."""

    address: Address = Field(
        validation_alias="ip",
        description="A free address of the cluster's own Services, where nodes find the cache.",
        examples=["10.43.0.53"],
    )
    remote_url: RemoteUrl | None = Field(
        default=None,
        description="Where the upstream really is, if it is not https:// and its name.",
        examples=["https://mirror.gcr.io"],
    )
    username: Note | None = Field(
        default=None, description="The user as whom the cache pulls from the upstream.", examples=["alice"]
    )
    password: UpstreamPassword | None = Field(
        default=None, description="The password of that user.", examples=[_SET_PASSWORD]
    )
    size: Quantity = Field(default="10Gi", description="The size of the cache's claim.", examples=["10Gi"])
    keep_days: Annotated[Integer, Field(ge=1, le=3650)] = Field(
        default=7, description="How many days after its first pull an image is removed from the cache.", examples=[7]
    )

    @property
    def endpoint(self) -> str:
        """Where nodes find the cache."""
        return f"[{self.address}]:{PORT}" if ":" in self.address else f"{self.address}:{PORT}"

    def url(self, name: str) -> str:
        """Where the cache pulls from."""
        return self.remote_url or server_url(name)


def slug(name: str) -> str:
    """The name of an upstream as a Service's name may contain it."""
    return re.sub(r"[.:]", "-", name)


def server_url(name: str) -> str:
    """Where a node without a cache pulls from: the name of an upstream, but for Docker Hub's."""
    return f"https://{_HUB_SERVER if name == _HUB else name}"


def conflicts(settings: "RegistrySettings") -> Iterator[Problem]:
    """Rules between the caches and other keys."""
    owners = {settings.address: "ip"}
    slugs: dict[str, str] = {}
    for name, cache in settings.cache.items():
        key = f"cache.{name}"
        alike = slugs.setdefault(slug(name), name)
        if alike != name:
            yield Problem(
                key=key,
                found=f"found the name {shown(name)}",
                rule=f"names of caches in the cluster have hyphens for dots and colons, and cache.{alike} has the same",
                example="docker.io",
            )
        owner = owners.setdefault(cache.address, f"{key}.ip")
        if owner != f"{key}.ip":
            yield Problem(
                key=f"{key}.ip",
                found=f"found {shown(cache.address)}",
                rule=f"{owner} is the same: a cache needs an address of its own, among those of the cluster's Services",
                example="10.43.0.53",
                reads=(owner,),
            )
        if name.partition(":")[0] in settings.names:
            yield Problem(
                key=key,
                found=f"found the name {shown(name)}",
                rule="it is the registry's own, which nodes reach without a cache",
                example="docker.io",
                reads=("hostname", "aliases"),
            )
        if (cache.username is None) != (cache.password is None):
            missing = "username" if cache.username is None else "password"
            yield Problem(
                key=f"{key}.{missing}",
                found="is missing",
                rule="username and password are used together",
                example=_SET_PASSWORD if cache.password is None else "alice",
                quotes_values=False,
            )
