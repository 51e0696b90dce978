"""The part of the configuration that says where the images are: in a claim, or in a bucket of an S3 service."""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from cryptography.x509 import load_pem_x509_certificates
from pydantic import AfterValidator, Field, SecretStr, WithJsonSchema
from pydantic.alias_generators import to_camel

from components.config.problem import Problem, shown
from components.config.types import Boolean, DnsName, Integer, Model, Quantity, refusal

if TYPE_CHECKING:
    from components.config.registry import RegistrySettings

_BUCKET: Final = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
_REGION: Final = r"[A-Za-z0-9][A-Za-z0-9-]{0,62}"
_ENDPOINT: Final = r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?"
_KEY: Final = r"[A-Za-z0-9/+=._-]{1,256}"
"""The file that the SDK reads keys from gives a meaning to others."""
_DIRECTORY: Final = r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*"


class AccessMode(StrEnum):
    """How the claim may be mounted."""

    READ_WRITE_ONCE = "ReadWriteOnce"
    READ_WRITE_ONCE_POD = "ReadWriteOncePod"
    READ_WRITE_MANY = "ReadWriteMany"


def _matching(pattern: str, rule: str) -> tuple[AfterValidator, WithJsonSchema]:
    def checked(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise refusal(rule)
        return value

    return AfterValidator(checked), WithJsonSchema({"type": "string", "pattern": f"^(?:{pattern})$"})


def _plain_key(value: SecretStr) -> SecretStr:
    if not re.fullmatch(_KEY, value.get_secret_value()):
        rule = "it must be letters, digits and / + = . _ -, as services generate keys; a line's end is none of them"
        raise refusal(rule)
    return value


def _is_certificates(text: str) -> bool:
    try:
        return bool(load_pem_x509_certificates(text.encode()))
    except ValueError:
        return False


Bucket: TypeAlias = Annotated[
    str, *_matching(_BUCKET, "it must be a bucket's name: 3 to 63 lower-case letters, digits, dots and hyphens")
]
Region: TypeAlias = Annotated[str, *_matching(_REGION, "it must be a region's name: letters, digits and hyphens")]
Endpoint: TypeAlias = Annotated[
    str, *_matching(_ENDPOINT, "it must be http:// or https://, a host, and perhaps a port, without a path")
]
Directory: TypeAlias = Annotated[
    str, *_matching(_DIRECTORY, "it must be names of letters, digits, '_', '-' and '.', with / between them")
]
Key: TypeAlias = Annotated[SecretStr, AfterValidator(_plain_key)]


class S3(Model):
    """The bucket that holds the images."""

    bucket: Bucket = Field(description="The bucket, which must exist.", examples=["images"])
    region: Region = Field(
        default="us-east-1",
        description="The bucket's region; many services other than Amazon's accept any.",
        examples=["eu-central-1"],
    )
    endpoint: Endpoint | None = Field(
        default=None,
        description="The URL of the S3 service, where it is not Amazon's.",
        examples=["https://s3.example.org:9000"],
    )
    root_directory: Directory | None = Field(
        default=None,
        description="The beginning of all keys, where the bucket has other content too.",
        examples=["registry"],
    )
    access_key: Key = Field(description="The access key's ID.", examples=["AKIAIOSFODNN7EXAMPLE"])
    secret_key: Key = Field(description="The secret access key.", examples=["wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"])
    force_path_style: Boolean = Field(
        default=True,
        description="Whether requests name the bucket in the path, which every service understands, and not in the "
        "host's name.",
        examples=[False],
    )
    ca: str | None = Field(
        default=None,
        description="Authorities that signed the endpoint's certificate, in PEM, beside the public ones.",
        examples=["`pulumi config set --path storage.s3.ca < ca.crt`"],
    )

    @property
    def keys(self) -> dict[str, str]:
        """Both keys, readable, by their names in the configuration."""
        return {"accessKey": self.access_key.get_secret_value(), "secretKey": self.secret_key.get_secret_value()}


class Storage(Model):
    """The claim that holds the images, or the bucket that does so in its place."""

    class_name: DnsName = Field(default="longhorn", description="The storage class.", examples=["longhorn"])
    size: Quantity = Field(default="15Gi", description="The size of the claim.", examples=["15Gi"])
    protect: Boolean = Field(
        default=True,
        description="Whether namespace and claim, and so the images, are protected from deletion.",
        examples=[True],
    )
    claim_name: DnsName = Field(
        default="longhorn-docker-registry-pvc",
        description="The name of the claim.",
        examples=["registry-images"],
    )
    access_mode: AccessMode = Field(
        default=AccessMode.READ_WRITE_ONCE,
        description="How the claim may be mounted.",
        examples=["ReadWriteOnce"],
    )
    delete: Boolean = Field(
        default=True,
        description="Whether clients may delete tags and images; a collection frees their space.",
        examples=[False],
    )
    s3: S3 | None = Field(
        default=None,
        description="A bucket in place of the claim.",
        examples=[
            {
                "bucket": "images",
                "accessKey": "AKIAIOSFODNN7EXAMPLE",
                "secretKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            }
        ],
    )

    @property
    def protected(self) -> bool:
        """Whether a destroy must leave namespace and claim; a bucket is not this stack's, and no destroy reaches it."""
        return self.protect and self.s3 is None


Replicas: TypeAlias = Annotated[Integer, Field(ge=1, le=20)]
_OF_THE_CLAIM: Final = ("class_name", "size", "protect", "claim_name", "access_mode")


def conflicts(settings: "RegistrySettings") -> Iterator[Problem]:
    """Rules between the storage and other keys. None shows a value, since keys of a bucket are beside them."""
    storage = settings.storage
    if storage.s3 is None:
        if settings.replicas > 1:
            yield Problem(
                key="replicas",
                found=f"found {shown(settings.replicas)}",
                rule="only with storage.s3 do several pods share the images; a claim serves one",
                example="remove the key, or set storage.s3",
                reads=("storage.s3",),
                quotes_values=False,
            )
        return
    if storage.s3.ca is not None and not _is_certificates(storage.s3.ca):
        yield Problem(
            key="storage.s3.ca",
            found="found no certificates",
            rule="it must be certificates in PEM, each from BEGIN CERTIFICATE to END CERTIFICATE",
            example="`pulumi config set --path storage.s3.ca < ca.crt`",
            quotes_values=False,
        )
    # Caches have claims of the same class.
    unused = set(_OF_THE_CLAIM) - ({"class_name"} if settings.cache else set())
    for name in sorted(unused):
        if name in storage.model_fields_set:
            yield Problem(
                key=f"storage.{to_camel(name)}",
                found="is set beside storage.s3",
                rule="it concerns the claim, and with storage.s3 there is none",
                example="remove the key",
                reads=("storage.s3",),
                quotes_values=False,
            )
