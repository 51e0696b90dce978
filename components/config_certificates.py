"""Reads what the stack's configuration says of certificates: the plan, and the authority that was made elsewhere."""

from typing import Final

from components import config_rules as rules
from components import external_authority
from components.certificate_plan import DAYS_PER_YEAR, LONGEST_SERVER_DAYS, CertificatePlan, Curve
from components.config_section import REQUIRED, Section, shown
from components.external_authority import ExternalAuthority

_SET_CERTIFICATE: Final = "`pulumi config set caCertificate < ca.crt`"
_SET_KEY: Final = "`openssl pkey -in ca.key | pulumi config set --secret caPrivateKey`"


def read(section: Section, top: Section) -> CertificatePlan:
    """The plan in the `certificates` section, and in the keys of the whole configuration that concern it."""
    authorities = section.texts("authorities", rules.generation, "[one]") or ("one",)
    years = section.integer("authorityYears", 10, 1, 30)
    longest = min(LONGEST_SERVER_DAYS, years * DAYS_PER_YEAR)
    # Half an authority's life at most, so that a short one does not ask for its successor from the first day on.
    usual = min(LONGEST_SERVER_DAYS, years * DAYS_PER_YEAR // 2)
    server_days = section.integer("serverDays", usual, 1, LONGEST_SERVER_DAYS)
    issuer = section.text(
        # With several there is no default: whoever adds one must not change the signer in the same step by the order.
        "issuer",
        authorities[0] if len(authorities) == 1 else REQUIRED,
        rules.generation,
        authorities[0],
    )
    plan = CertificatePlan(
        authorities=authorities,
        issuer=issuer,
        curve=section.choice("curve", Curve.P256),
        authority_years=years,
        server_days=server_days,
        renew_days=section.integer("renewDays", min(30, server_days // 2), 0, LONGEST_SERVER_DAYS),
        accept_gap=section.boolean("acceptGap", default=False),
        protect=section.boolean("protect", default=True),
        external=_external(section, top, authorities, issuer),
    )
    if plan.issuer and plan.issuer not in authorities:
        rule = "it must be one of certificates.authorities, or nodes would not trust the registry"
        section.refuse("issuer", f"found {shown(plan.issuer)}", rule, authorities[0])
    if longest < server_days <= LONGEST_SERVER_DAYS:
        rule = f"it must be at most {longest}: a server certificate must not outlive its authority (authorityYears)"
        section.refuse("serverDays", f"found {server_days}", rule, str(longest))
    if plan.renew_days >= server_days:
        rule = f"it must be less than serverDays ({server_days}), or every `up` would renew the certificate"
        section.refuse("renewDays", f"found {plan.renew_days}", rule, str(server_days // 2))
    section.finish()
    return plan


def _external(section: Section, top: Section, authorities: tuple[str, ...], issuer: str) -> ExternalAuthority | None:
    """What `certificates.external`, `caCertificate` and `caPrivateKey` say together; problems go to the sections."""
    generation = section.text("external", "", rules.generation, "house")
    bundle = top.text("caCertificate", "", rules.anything, _SET_CERTIFICATE)
    key = top.text("caPrivateKey", "", rules.anything, _SET_KEY)
    if not generation:
        for name, value in {"caCertificate": bundle, "caPrivateKey": key}.items():
            if value:
                rule = "certificates.external must say which of the authorities it belongs to, or it must go"
                top.refuse(name, "is set", rule, f"`pulumi config rm {name}`")
        return None
    if generation not in authorities:
        rule = "it must be one of certificates.authorities"
        section.refuse("external", f"found {shown(generation)}", rule, authorities[0])
        return None
    if generation == issuer and not key:
        top.refuse("caPrivateKey", "is missing", f"the issuer {issuer} is certificates.external", _SET_KEY)
    external = external_authority.judge(generation, bundle)
    if isinstance(external, str):
        rule = (
            "it must hold the authority's certificate in PEM, and after it those that signed it, up to the root, and "
            "nothing secret: it is stored in plain text (its value is not shown)"
        )
        top.refuse("caCertificate", external, rule, "cat signing.crt root.crt | pulumi config set caCertificate")
        return None
    wrong = external_authority.key_problem(key, external.chain[0]) if key else None
    if wrong is not None:
        rule = "it must be whole, unencrypted, and that of caCertificate's first certificate (its value is not shown)"
        top.refuse("caPrivateKey", wrong, rule, _SET_KEY)
    return external
