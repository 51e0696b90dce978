"""What all models of the configuration share: their base class, and the types of single values."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, Strict, WithJsonSchema, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from components.config import rules

RULE_ERROR: Final = "rule"
"""Type of an error with a rule of its own: the context holds `rule`, and may hold `found`."""


class Model(BaseModel):
    """A mapping of the configuration. The user's keys are the fields' names in camelCase."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,  # for Python callers; a user's document is read by alias alone (parse.py)
        hide_input_in_errors=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _without_empty_values(cls, values: Any) -> Any:
        """Read an empty value as an absent one: Pulumi.yaml declares empty defaults for keys that have none."""
        if not isinstance(values, Mapping):
            return values
        return {key: value for key, value in values.items() if value not in (None, "", [])}


def refusal(rule: str, *, found: str | None = None) -> PydanticCustomError:
    """The error with which a validator refuses a value; `found` replaces the value in the message."""
    context = {"rule": rule} if found is None else {"rule": rule, "found": found}
    return PydanticCustomError(RULE_ERROR, "{rule}", context)


def _follows(check: Callable[[str], str | None]) -> AfterValidator:
    def checked(value: str) -> str:
        wrong = check(value)
        if wrong is not None:
            raise refusal(wrong)
        return value

    return AfterValidator(checked)


def _without_passphrase(value: SecretStr) -> SecretStr:
    wrong = rules.private_key(value.get_secret_value())
    if wrong is not None:
        raise refusal(wrong)
    return value


def _string(pattern: str, **keywords: int) -> WithJsonSchema:
    """The schema of a string for editors: simpler than the rule, never stricter."""
    return WithJsonSchema({"type": "string", "pattern": f"^(?:{pattern})$", **keywords})


_DNS_NAME: Final = _string(rules.DNS_NAME, maxLength=rules.DNS_NAME_CHARACTERS)
RegistryName: TypeAlias = Annotated[str, _follows(rules.registry_name), _DNS_NAME]
DnsName: TypeAlias = Annotated[str, _follows(rules.dns_name), _DNS_NAME]
NodeName: TypeAlias = Annotated[str, _follows(rules.dns_name)]
Label: TypeAlias = Annotated[str, _follows(rules.label), _string(rules.LABEL)]
CertificateName: TypeAlias = Annotated[str, _follows(rules.certificate_name), AfterValidator(rules.canonical)]
AnnotationName: TypeAlias = Annotated[str, _follows(rules.annotation)]
Generation: TypeAlias = Annotated[
    str, _follows(rules.generation), _string(rules.LABEL, maxLength=rules.GENERATION_CHARACTERS)
]
Address: TypeAlias = Annotated[str, _follows(rules.address), AfterValidator(rules.canonical)]
Host: TypeAlias = Annotated[str, _follows(rules.host), AfterValidator(rules.canonical)]
HostKey: TypeAlias = Annotated[str, _follows(rules.host_key), _string(rules.HOST_KEY)]
User: TypeAlias = Annotated[str, _follows(rules.user), _string(rules.USER)]
PrivateKey: TypeAlias = Annotated[SecretStr, AfterValidator(_without_passphrase)]
Quantity: TypeAlias = Annotated[str, _follows(rules.quantity), _string(rules.QUANTITY)]
WaveSize: TypeAlias = Annotated[str, _follows(rules.wave_size), _string(rules.WAVE_SIZE)]
NodeLabelName: TypeAlias = Annotated[str, _follows(rules.node_label_name)]
NodeLabelValue: TypeAlias = Annotated[str, _follows(rules.node_label_value), _string(f"({rules.NODE_LABEL})?")]
Image: TypeAlias = Annotated[str, _follows(rules.image), _string(rules.IMAGE)]
Note: TypeAlias = Annotated[str, _follows(rules.note), _string(".*", maxLength=rules.NOTE_CHARACTERS)]
Boolean: TypeAlias = Annotated[bool, Strict()]
"""True or false; words such as "yes" are refused, since YAML readers disagree on them."""
Integer: TypeAlias = Annotated[int, Strict()]
Port: TypeAlias = Annotated[Integer, Field(ge=1, le=65535)]
