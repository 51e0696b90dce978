from decimal import Decimal

import pytest

from components.registry.claim import cannot_grow, shrinks, size_in_bytes

FORBIDDEN = (
    'persistentvolumeclaims "c" is forbidden: only dynamically provisioned pvc can be resized and the '
    "storageclass that provisions the pvc must support resize"
)


@pytest.mark.parametrize(
    ("quantity", "size"),
    [
        ("15Gi", 15 * 1024**3),
        ("1.5Ti", 1536 * 1024**3),
        ("15G", 15 * 10**9),
        ("500k", 500_000),
        ("15e9", 15 * 10**9),
        ("2E", 2 * 10**18),
        ("2E3", 2000),
        ("1Ki", 1024),
        ("1024", 1024),
        (".5Mi", 512 * 1024),
        ("1e-1", Decimal("0.1")),
    ],
)
def test_a_quantity_has_as_many_bytes_as_kubernetes_gives_it(quantity: str, size: Decimal) -> None:
    assert size_in_bytes(quantity) == size


@pytest.mark.parametrize(("before", "after"), [("15Gi", "16Gi"), ("15Gi", "15360Mi"), (None, "1Gi"), ("1Gi", None)])
def test_a_claim_may_grow_or_stay(before: str | None, after: str | None) -> None:
    assert shrinks("storage.size", before, after) is None


@pytest.mark.parametrize(("before", "after"), [("15Gi", "14Gi"), ("15Gi", "15G"), ("1Ti", "1000Gi")])
def test_a_smaller_size_is_refused_with_the_way_back(before: str, after: str) -> None:
    said = shrinks("storage.size", before, after)
    assert said is not None
    assert said.startswith(f"storage.size: found {after}, ")
    assert f"set storage.size to {before}" in said


def test_a_class_that_lets_no_claim_grow_is_one_sentence() -> None:
    said = cannot_grow("storage.size", FORBIDDEN)
    assert said is not None
    assert "allowVolumeExpansion" in said
    assert cannot_grow("storage.size", "connection refused") is None
