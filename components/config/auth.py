"""The `auth` section of the configuration: who may use the registry with a password, and how nodes pull without one."""

import re
from collections.abc import Iterator
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, Field, SecretStr

from components.config.problem import Problem
from components.config.types import Boolean, Model, Port, refusal

PROOF_USER: Final = "k3s-registry-proof"
"""The program's own user, who pushes what nodes pull to prove that they can."""

_USER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
_PULL_PORT: Final = 5002
"""Not 5001, at which the nodes themselves find each other where K3s's embedded registry mirror is on."""
_PASSWORD_BYTES: Final = 72
"""bcrypt reads no more of a password."""
_SET_PASSWORD: Final = "`pulumi config set --secret --path auth.users.alice`"  # noqa: S105 - how one is set


def _checked_user(name: str) -> str:
    if not _USER.fullmatch(name) or name == PROOF_USER:
        rule = f"a user's name must be letters, digits, '.', '_', '@', '+' and '-', at most 64, and not {PROOF_USER}"
        raise refusal(rule)
    return name


def _checked_password(value: SecretStr) -> SecretStr:
    encoded = value.get_secret_value().encode()
    if not encoded or b"\0" in encoded or len(encoded) > _PASSWORD_BYTES:
        rule = f"a password must have 1 to {_PASSWORD_BYTES} bytes and no NUL, since bcrypt reads no others"
        raise refusal(rule)
    return value


UserName: TypeAlias = Annotated[str, AfterValidator(_checked_user)]
Password: TypeAlias = Annotated[SecretStr, AfterValidator(_checked_password)]


class AuthSettings(Model):
    """The `auth` section; without users the registry is open to everybody."""

    users: dict[UserName, Password] = Field(
        default={},
        description="Passwords by user name: everybody but the nodes needs one to push and to pull.",
        examples=[{"alice": _SET_PASSWORD}],
    )
    anonymous: Boolean = Field(
        default=False,
        description="For one `pulumi up` before passwords are required of an existing registry, and one before they no "
        "longer are: users exist, and clients may do without a password.",
        examples=[True],
    )
    pull_port: Port = Field(
        default=_PULL_PORT,
        description="The registry's port for the nodes, read-only, which they enter with the cluster's own "
        "certificates.",
        examples=[5002],
    )

    @property
    def configured(self) -> bool:
        """Whether there are users, and so a port of the nodes' own."""
        return bool(self.users)

    @property
    def enforced(self) -> bool:
        """Whether clients other than nodes need a password."""
        return self.configured and not self.anonymous

    def conflicts(self, port: int) -> Iterator[Problem]:
        """Rules that concern more than one key; `port` is the registry's."""
        if self.model_fields_set and "users" not in self.model_fields_set:
            yield Problem(
                key="auth.users",
                found="is missing",
                rule="the other keys of auth need at least one user; without auth the registry is open to everybody",
                example=_SET_PASSWORD,
                quotes_values=False,
            )
        if self.configured and self.pull_port == port:
            yield Problem(
                key="auth.pullPort",
                found=f"found {self.pull_port}",
                rule="it must differ from port, which asks everybody for a password",
                example=str(_PULL_PORT + (port == _PULL_PORT)),
                reads=("port",),
            )
