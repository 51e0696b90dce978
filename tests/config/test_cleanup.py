from typing import Any

import pytest

from components.config.parse import parse
from tests.config.stack_configs import SMALLEST, problems, with_value


def test_without_the_key_nothing_is_cleaned_up() -> None:
    assert parse(SMALLEST).cleanup.schedule is None


def test_a_schedule_alone_only_shows_what_would_be_deleted() -> None:
    cleanup = parse(with_value("cleanup.schedule", "30 3 * * 0")).cleanup
    assert (cleanup.keep, cleanup.keep_patterns, cleanup.dry_run) == (10, (), True)


@pytest.mark.parametrize("schedule", ["* * * * *", "*/15 0-6 1,15 * 1-5", "0 0 29 2 *", "@weekly"])
def test_a_cron_schedule_is_accepted(schedule: str) -> None:
    assert parse(with_value("cleanup.schedule", schedule)).cleanup.schedule == schedule


@pytest.mark.parametrize(
    "schedule",
    [
        "daily",
        "* * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "*/0 * * * *",
        "5-1 * * * *",
        "*  * * * *",
        "@reboot",
    ],
)
def test_another_schedule_is_refused(schedule: str) -> None:
    (problem,) = problems(with_value("cleanup.schedule", schedule))
    assert problem.startswith("cleanup.schedule: found ")
    assert "cron schedule" in problem


@pytest.mark.parametrize(
    ("key", "value"),
    [("keep", 0), ("keep", "ten"), ("keepPatterns", ["v 1"]), ("keepPatterns", ["$(id)"]), ("dryRun", "no")],
)
def test_a_wrong_value_is_refused(key: str, value: Any) -> None:
    values = with_value("cleanup.schedule", "@daily")
    values["cleanup"][key] = value
    (problem,) = problems(values)
    assert problem.startswith(f"cleanup.{key}")


@pytest.mark.parametrize("image", ["registry:2", "registry:2.8.3", "docker.io/library/registry:2@sha256:" + "a" * 64])
def test_a_registry_before_version_3_is_refused(image: str) -> None:
    (problem,) = problems(with_value("cleanup.schedule", "@daily") | {"image": image})
    assert "destroys images for several platforms" in problem


@pytest.mark.parametrize("image", ["registry:3", "registry:3.2.0", "house.local:2000/registry:3", "house/registry"])
def test_another_image_is_left_to_the_clean_up_itself(image: str) -> None:
    assert parse(with_value("cleanup.schedule", "@daily") | {"image": image}).image == image


@pytest.mark.parametrize("mode", ["ReadWriteOncePod", "ReadWriteMany"])
def test_a_claim_whose_pods_may_be_elsewhere_is_refused(mode: str) -> None:
    (problem,) = problems(with_value("cleanup.schedule", "@daily") | {"storage": {"accessMode": mode}})
    assert "on the same node" in problem


def test_a_clean_up_without_a_schedule_is_refused() -> None:
    (problem,) = problems(with_value("cleanup.keep", 3))
    assert problem.startswith("cleanup: has no schedule")


def test_a_pattern_is_given_once() -> None:
    values = with_value("cleanup", {"schedule": "@daily", "keepPatterns": ["v*", "v*"]})
    assert problems(values)[0].startswith("cleanup.keepPatterns")
