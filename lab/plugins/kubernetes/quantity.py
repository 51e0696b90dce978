"""Kubernetes quantities: `1024Mi` and `1Gi`, `0.5` and `500m` are the same amount."""

import re
from decimal import Decimal

_FORM = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(m|u|n|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?\d+)?")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}

_HOLDERS = frozenset({"requests", "limits", "capacity", "allocatable", "hard", "defaultRequest", "min", "max"})
_NAMES = frozenset({"sizeLimit", "divisor"})


def amount(value: object) -> Decimal | None:
    """The amount that a string or number stands for; None if it is no quantity."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    match = _FORM.fullmatch(str(value))
    if match is None:
        return None
    number, suffix = Decimal(match[1]), match[2] or ""
    if suffix in _BINARY:
        return number * Decimal(1 << _BINARY[suffix])
    if suffix in _DECIMAL:
        return number.scaleb(_DECIMAL[suffix])
    return number.scaleb(int(suffix[1:]))


def is_quantity(path: tuple[str | int, ...]) -> bool:
    """Whether the API has a quantity at this path, which the API server gives back in its canonical spelling."""
    return len(path) > 1 and (path[-2] in _HOLDERS or path[-1] in _NAMES)


def same(left: object, right: object) -> bool:
    """Whether both are quantities of the same amount."""
    one, other = amount(left), amount(right)
    return one is not None and one == other
