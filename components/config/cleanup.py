"""The part of the configuration that describes the clean-up of old images."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from pydantic import AfterValidator, Field, WithJsonSchema

from components.config.problem import Problem, repetitions, shown
from components.config.types import Boolean, Integer, Model, refusal

if TYPE_CHECKING:
    from components.config.registry import RegistrySettings

_ABBREVIATIONS: Final = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually")
_RANGES: Final = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_PART: Final = re.compile(r"(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?", re.ASCII)
_PATTERN: Final = r"[A-Za-z0-9_.*?-]{1,128}"
_OLD_TAG: Final = re.compile(r":[vV]?[0-2](?:[.-][^@/]*)?(?:@|$)")


def _schedule(value: str) -> str:
    fields = value.split(" ")
    parts = [(part, bounds) for text, bounds in zip(fields, _RANGES, strict=False) for part in text.split(",")]
    if value in _ABBREVIATIONS or (len(fields) == len(_RANGES) and all(_fits(*part) for part in parts)):
        return value
    rule = "it must be a cron schedule in numbers: minute, hour, day of the month, month, day of the week (0 is Sunday)"
    raise refusal(rule)


def _fits(part: str, bounds: tuple[int, int]) -> bool:
    found = _PART.fullmatch(part)
    if found is None:
        return False
    first, last, step = (None if number is None else int(number) for number in found.groups())
    given = [number for number in (first, last) if number is not None]
    return step != 0 and given == sorted(given) and all(bounds[0] <= number <= bounds[1] for number in given)


def _tag_pattern(value: str) -> str:
    if not re.fullmatch(_PATTERN, value):
        rule = "it must be a pattern of tags: letters, digits, '_', '.' and '-'; * for any characters and ? for one"
        raise refusal(rule)
    return value


Schedule: TypeAlias = Annotated[str, AfterValidator(_schedule)]
TagPattern: TypeAlias = Annotated[
    str, AfterValidator(_tag_pattern), WithJsonSchema({"type": "string", "pattern": f"^{_PATTERN}$"})
]


class Cleanup(Model):
    """When the registry deletes old images, and which ones it keeps."""

    schedule: Schedule | None = Field(
        default=None,
        description="When old images are deleted, as a cron schedule; without it nothing is.",
        examples=["30 3 * * 0"],
    )
    keep: Annotated[Integer, Field(ge=1, le=10000)] = Field(
        default=10,
        description="How many tags of each repository stay, the last pushed ones.",
        examples=[10],
    )
    keep_patterns: tuple[TagPattern, ...] = Field(
        default=(),
        description="Shell patterns of tags that always stay and are not counted.",
        examples=[["v*", "latest"]],
    )
    dry_run: Boolean = Field(
        default=True,
        description="Whether the clean-up only shows what it would delete.",
        examples=[False],
    )


def conflicts(settings: "RegistrySettings") -> Iterator[Problem]:
    """Rules between the clean-up and other keys."""
    cleanup = settings.cleanup
    yield from repetitions("cleanup.keepPatterns", cleanup.keep_patterns)
    if cleanup.schedule is None:
        if cleanup != Cleanup():
            yield Problem(
                key="cleanup",
                found="has no schedule",
                rule="without one nothing is deleted, and its other keys have no effect",
                example="{schedule: 30 3 * * 0}",
                reads=("cleanup.schedule",),
            )
        return
    if _OLD_TAG.search(settings.image):
        yield Problem(
            key="cleanup.schedule",
            found=f"found image {shown(settings.image)}",
            rule="the collection of a registry before version 3 destroys images for several platforms",
            example="image: registry:3",
            reads=("image",),
        )
    if settings.storage.s3 is not None:
        yield Problem(
            key="cleanup.schedule",
            found="is set beside storage.s3",
            rule="the clean-up keeps pushes away from a collection by locks of the kernel on one volume, and a bucket "
            "has none",
            example="remove cleanup, and collect by hand (docs/operating.md, Space)",
            reads=("storage.s3",),
            quotes_values=False,
        )
        return
    mode = settings.storage.access_mode.value
    if mode != "ReadWriteOnce":
        yield Problem(
            key="cleanup.schedule",
            found=f"found storage.accessMode {shown(mode)}",
            rule="the clean-up mounts the claim beside the registry, on the same node, where the kernel's lock keeps "
            "pushes away from it",
            example="storage: {accessMode: ReadWriteOnce}",
            reads=("storage.accessMode",),
        )
