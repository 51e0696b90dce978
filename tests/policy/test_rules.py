"""The rules of the policy pack: each finds what it forbids, and nothing in what the program registers."""

import base64
import gzip
from collections.abc import Mapping
from typing import Any

import pytest
from pulumi_policy import PolicyCustomTimeouts, PolicyResource, PolicyResourceOptions

from components.nodes import script
from policy.rules import private_keys, unpinned_hosts, unpinned_images, unprotected
from tests.recordings import CERTIFICATE, COMMAND, ED25519, PRIVATE_KEY

DIGEST = "sha256:" + "0" * 64
NOISE = bytes(range(256))  # which does not become shorter, so that the lines are many
REACHED = {"host": "10.0.0.1", "hostKey": ED25519}
CLAIM = "kubernetes:core/v1:PersistentVolumeClaim"
KEY, SIGNED = "tls:index/privateKey:PrivateKey", "tls:index/locallySignedCert:LocallySignedCert"


def registered(
    kind: str,
    name: str,
    *,
    protect: bool = False,
    sources: Mapping[str, list[PolicyResource]] | None = None,
    owner: str = "Registry",
) -> PolicyResource:
    times = PolicyCustomTimeouts(0, 0, 0)
    options = PolicyResourceOptions(protect, [], None, [], times, [])
    urn = f"urn:pulumi:prod::k3s-registry::k3s-registry:index:{owner}${kind}::{name}"
    return PolicyResource(kind, {}, urn, name, options, None, None, [], dict(sources or {}))


def pod(*images: str) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": [{"name": "one", "image": image} for image in images]}}}}


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    "inputs",
    [
        pytest.param({"stdin": f"key='{PRIVATE_KEY}'\n"}, id="in plain text"),
        pytest.param({"environment": {"KEY": PRIVATE_KEY}}, id="in the environment"),
        pytest.param({"triggers": [["one", PRIVATE_KEY]]}, id="in a list"),
        pytest.param({"stdin": encoded(PRIVATE_KEY.encode())}, id="as base64"),
        pytest.param(
            {"stdin": f"x=$(echo {encoded(gzip.compress(PRIVATE_KEY.encode()))} | base64 -d)"}, id="compressed"
        ),
        pytest.param(
            {"stdin": f"cat <<END\n{base64.encodebytes(gzip.compress(NOISE + PRIVATE_KEY.encode())).decode()}END\n"},
            id="in broken lines",
        ),
        pytest.param({"stdin": script.render(script.PROOF, {}, {"key": PRIVATE_KEY})}, id="within a script"),
    ],
)
def test_a_private_key_for_a_node_is_found(inputs: dict[str, Any]) -> None:
    assert len(list(private_keys(COMMAND, {"connection": REACHED, **inputs}))) == 1


def test_a_pod_without_an_image_is_not_asked_for_one() -> None:
    nameless = {"spec": {"containers": [{"name": "one"}], "initContainers": None}}
    assert list(unpinned_images("kubernetes:core/v1:Pod", nameless)) == []


def test_a_certificate_and_a_script_are_no_private_key() -> None:
    sent = script.render(script.TRUST, {"authorities": CERTIFICATE})
    assert list(private_keys(COMMAND, {"connection": {**REACHED, "privateKey": PRIVATE_KEY}, "stdin": sent})) == []


def test_a_private_key_that_goes_to_no_node_is_no_finding() -> None:
    assert list(private_keys("kubernetes:core/v1:Secret", {"stringData": {"tls.key": PRIVATE_KEY}})) == []


@pytest.mark.parametrize(
    ("connection", "place"),
    [
        ({"host": "10.0.0.1"}, "connection.hostKey"),
        ({"host": "10.0.0.1", "hostKey": ""}, "connection.hostKey"),
        ({**REACHED, "proxy": {"host": "203.0.113.7"}}, "connection.proxy.hostKey"),
    ],
)
def test_a_machine_without_a_pinned_key_is_found(connection: dict[str, Any], place: str) -> None:
    (sentence,) = unpinned_hosts(COMMAND, {"connection": connection})
    assert sentence.startswith(f"{place} is missing")


def test_pinned_keys_are_no_finding() -> None:
    assert list(unpinned_hosts(COMMAND, {"connection": {**REACHED, "proxy": REACHED}})) == []


def test_each_image_by_tag_is_found() -> None:
    job = {"spec": {"jobTemplate": pod("busybox:1", f"registry:3@{DIGEST}", "registry:3")}}
    found = list(unpinned_images("kubernetes:batch/v1:CronJob", job))
    assert [sentence.split()[1] for sentence in found] == ["busybox:1", "registry:3"]


def test_an_image_of_an_init_container_counts() -> None:
    inputs = {"spec": {"initContainers": [{"image": "busybox"}], "containers": []}}
    assert len(list(unpinned_images("kubernetes:core/v1:Pod", inputs))) == 1


def test_images_by_digest_are_no_finding() -> None:
    assert list(unpinned_images("kubernetes:apps/v1:Deployment", pod(f"registry:3@{DIGEST}"))) == []


def test_an_unprotected_claim_is_found_and_that_of_a_cache_is_not() -> None:
    claim = registered(CLAIM, "registry-server-claim")
    of_a_cache = registered(CLAIM, "registry-caches-claim", owner="Caches")
    ((urn, sentence),) = unprotected([claim, of_a_cache])
    assert urn == claim.urn
    assert "storage.protect" in sentence


def test_only_the_authority_that_signs_must_be_protected() -> None:
    one, two = registered(KEY, "one-key"), registered(KEY, "two-key")
    server = registered(SIGNED, "server", sources={"caPrivateKeyPem": [two]})
    ((urn, sentence),) = unprotected([one, two, server])
    assert urn == two.urn
    assert "certificates.protect" in sentence


def test_what_is_protected_is_no_finding() -> None:
    key = registered(KEY, "one-key", protect=True)
    server = registered(SIGNED, "server", sources={"caPrivateKeyPem": [key], "caCertPem": [key]})
    assert list(unprotected([key, server, registered(CLAIM, "claim", protect=True)])) == []
