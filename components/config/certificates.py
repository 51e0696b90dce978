"""The `certificates` section of the configuration: its keys, the rules between them, and the plan that they give."""

from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import Field

from components.certificates.external import judge, key_problem
from components.certificates.plan import DAYS_PER_YEAR, LONGEST_SERVER_DAYS, CertificatePlan, Curve
from components.config import rules
from components.config.problem import Problem, repetitions, shown
from components.config.types import Boolean, CertificateName, Generation, Integer, Model

_SET_CERTIFICATE: Final = "`cat signing.crt root.crt | pulumi config set caCertificate`"
_SET_KEY: Final = "`openssl pkey -in ca.key | pulumi config set --secret caPrivateKey`"


class CertificateSettings(Model):
    """The `certificates` section as the user wrote it."""

    authorities: tuple[Generation, ...] = Field(
        default=("one",),
        description="Generations of the authority that nodes trust; a rotation adds one, and later removes another.",
        examples=[["one", "two"]],
    )
    issuer: Generation | None = Field(
        default=None,
        description="The generation that signs the server certificate; required where there are several.",
        examples=["one"],
    )
    authority_years: Annotated[Integer, Field(ge=1, le=30)] = Field(
        default=10,
        description="Life in years of authorities that are created from now on.",
        examples=[10],
    )
    server_days: Annotated[Integer, Field(ge=1, le=LONGEST_SERVER_DAYS)] = Field(
        default=LONGEST_SERVER_DAYS,
        description="Life in days of the server certificate; by default at most half an authority's life.",
        examples=[LONGEST_SERVER_DAYS],
    )
    renew_days: Annotated[Integer, Field(ge=0, le=LONGEST_SERVER_DAYS)] = Field(
        default=30,
        description="Days before its end from which an `up` renews the server certificate; by default at most half "
        "its life.",
        examples=[30],
    )
    curve: Curve = Field(
        default=Curve.P256,
        description="The elliptic curve of keys that are created from now on.",
        examples=["P384"],
    )
    protect: Boolean = Field(
        default=True,
        description="Whether the issuer is protected from deletion.",
        examples=[True],
    )
    accept_gap: Boolean = Field(
        default=False,
        description="Whether an `up` may sign with an issuer that it creates itself, although pulls fail until every "
        "node trusts that issuer.",
        examples=[False],
    )
    external: Generation | None = Field(
        default=None,
        description="The generation that was created elsewhere; its certificate is in caCertificate.",
        examples=["house"],
    )

    names: tuple[CertificateName, ...] = Field(
        default=(),
        description="Further names and addresses in the server certificate alone: nodes do not resolve them.",
        examples=[["*.cube.local", "192.168.0.203"]],
    )

    def plan(self, ca_certificate: str) -> CertificatePlan:
        """The plan of a valid configuration.

        Raises:
            ValueError: where `conflicts` reports problems of the external authority.

        """
        external = None if self.external is None else judge(self.external, ca_certificate)
        if isinstance(external, str):
            raise ValueError(external)  # noqa: TRY004 - the string is the reason why the value is wrong
        return CertificatePlan(
            authorities=self.authorities,
            issuer=self._issuer,
            curve=self.curve,
            authority_years=self.authority_years,
            server_days=self._server_days,
            renew_days=self._renew_days,
            accept_gap=self.accept_gap,
            protect=self.protect,
            external=external,
        )

    def conflicts(self, ca_certificate: str, ca_private_key: str) -> Iterator[Problem]:
        """Rules that concern more than one key."""
        yield from repetitions("certificates.authorities", self.authorities)
        yield from repetitions("certificates.names", self.names)
        yield from self._issuer_conflicts()
        yield from self._life_conflicts()
        if self.external is not None:
            yield from self._external_conflicts(self.external, ca_certificate, ca_private_key)
            return
        for key, value in {"caCertificate": ca_certificate, "caPrivateKey": ca_private_key}.items():
            if value:
                yield Problem(
                    key=key,
                    found="is set",
                    rule="certificates.external must say which of the authorities it belongs to, or it must be removed",
                    example=f"`pulumi config rm {key}`",
                    reads=("certificates.external",),
                    quotes_values=False,
                )

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses among the further names."""
        return tuple(name for name in self.names if rules.is_address(name))

    @property
    def dns_names(self) -> tuple[str, ...]:
        """The further names without the addresses."""
        return tuple(name for name in self.names if not rules.is_address(name))

    @property
    def _issuer(self) -> str:
        return self.issuer or self.authorities[0]

    @property
    def _server_days(self) -> int:
        # Half an authority's life at most, so that a short one does not ask for its successor from the first day on.
        usual = min(self.server_days, self.authority_years * DAYS_PER_YEAR // 2)
        return self.server_days if "server_days" in self.model_fields_set else usual

    @property
    def _renew_days(self) -> int:
        usual = min(self.renew_days, self._server_days // 2)
        return self.renew_days if "renew_days" in self.model_fields_set else usual

    def _issuer_conflicts(self) -> Iterator[Problem]:
        key, example, reads = "certificates.issuer", self.authorities[0], ("certificates.authorities",)
        if self.issuer is None and len(set(self.authorities)) > 1:
            # No default: by the mere order, whoever adds an authority would change the issuer in the same step.
            rule = "it is required where there are several authorities"
            yield Problem(key=key, found="is missing", rule=rule, example=example, reads=reads)
        elif self._issuer not in self.authorities:
            rule = "it must be one of certificates.authorities, or nodes would not trust the registry"
            yield Problem(key=key, found=f"found {shown(self._issuer)}", rule=rule, example=example, reads=reads)

    def _life_conflicts(self) -> Iterator[Problem]:
        longest = self.authority_years * DAYS_PER_YEAR
        if self._server_days > longest:
            yield Problem(
                key="certificates.serverDays",
                found=f"found {self._server_days}",
                rule="it must be at most authorityYears in days: a server certificate must not outlive its authority",
                example=str(longest),
                reads=("certificates.authorityYears",),
            )
        if self._renew_days >= self._server_days:
            yield Problem(
                key="certificates.renewDays",
                found=f"found {self._renew_days} (serverDays is {self._server_days})",
                rule="it must be less than serverDays, or every `up` would renew the certificate",
                example=str(self._server_days // 2),
                reads=("certificates.serverDays", "certificates.authorityYears"),
            )

    def _external_conflicts(self, generation: str, ca_certificate: str, ca_private_key: str) -> Iterator[Problem]:
        if generation not in self.authorities:
            yield Problem(
                key="certificates.external",
                found=f"found {shown(generation)}",
                rule="it must be one of certificates.authorities",
                example=self.authorities[0],
                reads=("certificates.authorities",),
            )
            return
        if generation == self._issuer and not ca_private_key:
            yield Problem(
                key="caPrivateKey",
                found="is missing",
                rule="it is required: the issuer is the authority that certificates.external names",
                example=_SET_KEY,
                reads=("certificates.external", "certificates.issuer", "certificates.authorities"),
                quotes_values=False,
            )
        external = judge(generation, ca_certificate)
        if isinstance(external, str):
            yield Problem(
                key="caCertificate",
                found=external,
                rule="it must hold the authority's certificate in PEM, and after it those that signed it, up to the "
                "root, and nothing secret, since it is stored in plain text (its value is not shown)",
                example=_SET_CERTIFICATE,
                reads=("certificates.external",),
                quotes_values=False,
            )
            return
        wrong = key_problem(ca_private_key, external.chain[0]) if ca_private_key else None
        if wrong is not None:
            yield Problem(
                key="caPrivateKey",
                found=wrong,
                rule="it must be complete, unencrypted, and the key of the first certificate in caCertificate (its "
                "value is not shown)",
                example=_SET_KEY,
                reads=("caCertificate",),
                quotes_values=False,
            )
