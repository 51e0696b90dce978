"""The clock by which certificates begin, end and are renewed."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

VARIABLE: Final = "K3S_REGISTRY_LAB_NOW"
"""Moves the clock for a test of renewal: an RFC 3339 time, or seconds from the machine's clock such as `+86400`."""


def now(environment: Mapping[str, str] = os.environ) -> datetime:
    """The time, in UTC.

    Raises:
        ValueError: the variable holds neither form.
    """
    setting = environment.get(VARIABLE, "")
    if not setting:
        return datetime.now(UTC)
    if setting[0] in "+-":
        return datetime.now(UTC) + timedelta(seconds=float(setting))
    moment = datetime.fromisoformat(setting)
    if moment.tzinfo is None:
        message = f"{VARIABLE}={setting!r} has no time zone; write 2030-01-31T00:00:00Z"
        raise ValueError(message)
    return moment.astimezone(UTC)


def rfc3339(moment: datetime) -> str:
    """`moment` as upstream writes validity times: RFC 3339 with fractions of a second."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
