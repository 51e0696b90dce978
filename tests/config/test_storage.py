"""`storage.s3` and `replicas`: a bucket in place of the claim, and the rules between its keys and others."""

from collections.abc import Mapping
from typing import Any

import pytest

from components.config.parse import parse
from components.config.types import Model
from tests.authority import new_authority
from tests.config.stack_configs import BUCKET, SMALLEST, problems, with_value


def stack(s3: Mapping[str, object] = {}, storage: Mapping[str, object] = {}) -> dict[str, Any]:
    """A configuration with a bucket, some of its keys changed, and others beside it."""
    return with_value("storage", {"s3": {**BUCKET, **s3}, **storage})


def found(values: dict[str, Any]) -> list[str]:
    return problems(values, encrypted=["storage"])


def test_without_the_key_one_pod_serves_images_from_a_protected_claim() -> None:
    config = parse(SMALLEST)
    assert (config.storage.s3, config.storage.protected, config.replicas) == (None, True, 1)


def test_a_bucket_needs_its_name_and_two_keys() -> None:
    s3 = parse(stack(), encrypted=["storage"]).storage.s3
    assert isinstance(s3, Model)
    assert (s3.bucket, s3.region, s3.endpoint, s3.root_directory) == ("images", "us-east-1", None, None)
    assert (s3.force_path_style, s3.ca) == (True, None)
    keys = [problem.partition(":")[0] for problem in found(with_value("storage.s3", {"region": "home"}))]
    assert keys == ["storage.s3.bucket", "storage.s3.accessKey", "storage.s3.secretKey"]


def test_a_stack_with_a_bucket_protects_nothing_in_the_cluster() -> None:
    assert not parse(stack(), encrypted=["storage"]).storage.protected


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("bucket", "ab"),
        ("bucket", "Images"),
        ("region", "us east"),
        ("endpoint", "minio:9000"),
        ("endpoint", "https://minio:9000/images"),
        ("endpoint", "https://me:word@minio"),
        ("rootDirectory", "/registry"),
        ("rootDirectory", "a/../b"),
        ("accessKey", "two words"),
        ("secretKey", "with the line's end\n"),
        ("forcePathStyle", "yes"),
        ("ca", "neither of them"),
    ],
)
def test_a_wrong_value_is_refused(key: str, value: str) -> None:
    [problem] = found(stack({key: value}))
    assert problem.startswith(f"storage.s3.{key}: found ")
    assert value not in problem


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("bucket", "007"),
        ("endpoint", "http://minio.minio.svc:9000"),
        ("endpoint", "https://[fd00::1]:9000"),
        ("rootDirectory", "teams/a"),
        ("secretKey", "a/B+c=12345678901234567890"),
        ("forcePathStyle", False),
        ("ca", new_authority().pem),
    ],
)
def test_a_good_value_is_accepted(key: str, value: object) -> None:
    assert parse(stack({key: value}), encrypted=["storage"])


def test_a_key_in_plain_text_is_refused_and_not_shown() -> None:
    found = problems(stack())
    assert [problem.partition(":")[0] for problem in found] == ["storage.s3.accessKey", "storage.s3.secretKey"]
    assert "`pulumi config set --secret --path storage.s3.secretKey`" in found[1]
    assert BUCKET["secretKey"] not in "\n".join(found)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("className", "longhorn"),
        ("size", "15Gi"),
        ("protect", False),
        ("claimName", "images"),
        ("accessMode", "ReadWriteMany"),
    ],
)
def test_a_key_of_the_claim_has_no_place_beside_a_bucket(key: str, value: object) -> None:
    [problem] = found(stack(storage={key: value}))
    assert problem.startswith(f"storage.{key}: is set beside storage.s3; ")


def test_caches_have_claims_of_the_class_beside_a_bucket() -> None:
    cache = {"cache": {"docker.io": {"ip": "10.43.0.53"}}}
    assert parse(stack(storage={"className": "local-path"}) | cache, encrypted=["storage"])
    [problem] = found(stack(storage={"size": "15Gi"}) | cache)
    assert problem.startswith("storage.size: is set beside storage.s3; ")


def test_deletions_may_be_refused_with_a_bucket_too() -> None:
    assert not parse(stack(storage={"delete": False}), encrypted=["storage"]).storage.delete


def test_a_clean_up_is_refused_with_the_reason() -> None:
    [problem] = found(stack() | {"cleanup": {"schedule": "@daily"}})
    assert problem.startswith("cleanup.schedule: is set beside storage.s3; ")
    assert "locks of the kernel" in problem


def test_several_pods_need_a_bucket() -> None:
    [problem] = problems({**SMALLEST, "replicas": 2})
    assert problem.startswith("replicas: found 2; only with storage.s3 do")
    assert parse(stack() | {"replicas": 2}, encrypted=["storage"]).replicas == 2


@pytest.mark.parametrize("replicas", [0, 21, "2"])
def test_another_number_of_pods_is_refused(replicas: object) -> None:
    [problem] = found(stack() | {"replicas": replicas})
    assert problem.startswith("replicas: found ")


@pytest.mark.parametrize("image", ["registry.cube.local:5000/registry:3", "192.168.0.202:5000/registry"])
def test_the_registry_does_not_serve_its_own_image(image: str) -> None:
    [problem] = problems({**SMALLEST, "image": image})
    assert problem.startswith("image: found ")
    assert "before it runs" in problem


@pytest.mark.parametrize("image", ["registry.cube.local/registry:3", "192.168.0.202/registry:3"])
def test_on_the_standard_port_the_name_alone_is_the_registry_too(image: str) -> None:
    [problem] = problems({**SMALLEST, "image": image, "port": 443})
    assert problem.startswith("image: found ")
    assert parse({**SMALLEST, "image": image}).image == image


def test_the_nodes_own_port_is_the_registry_too() -> None:
    users = {"auth": {"users": {"alice": "word"}}}
    [problem] = problems({**SMALLEST, **users, "image": "registry.cube.local:5002/registry:3"}, encrypted=["auth"])
    assert problem.startswith("image: found ")


@pytest.mark.parametrize("image", ["registry:3", "registry.cube.local:5443/registry:3", "mirror.local:5000/registry"])
def test_another_registry_may_serve_its_image(image: str) -> None:
    assert parse({**SMALLEST, "image": image}).image == image
