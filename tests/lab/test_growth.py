"""The claim grows in place where its class allows it, and never shrinks; what cannot be is one sentence."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from .deployed import Deployed

pytestmark = pytest.mark.lab
CLAIM = ("-n", "docker-registry", "get", "persistentvolumeclaim", "longhorn-docker-registry-pvc", "-o", "json")


def sized(deployed: Deployed, size: str) -> Path:
    return deployed.program.configuration(lambda keys: keys["storage"].update(size=size))


def claim(deployed: Deployed) -> tuple[str, str]:
    """The claim's identity and the size that it was asked for."""
    found = json.loads(deployed.program.kubectl(*CLAIM))
    return found["metadata"]["uid"], found["spec"]["resources"]["requests"]["storage"]


@pytest.fixture
def growing(deployed: Deployed) -> Iterator[None]:
    """The class lets claims grow. A grown claim cannot be taken back, so it is created anew afterwards."""
    patch = ("patch", "storageclass", "local-path", "-p")
    deployed.program.kubectl(*patch, '{"allowVolumeExpansion": true}')
    yield
    deployed.program.kubectl(*patch, '{"allowVolumeExpansion": false}')
    deployed.program.up("--replace", "**registry-server-claim")


def test_a_smaller_size_is_refused_in_the_preview(deployed: Deployed) -> None:
    done = deployed.program.run("preview", config=sized(deployed, "1Mi"), expect=None)
    assert done.status != 0
    assert "storage.size: found 1Mi, and the claim was asked for 1Gi" in done.text
    assert "Traceback" not in done.text


def test_a_class_that_lets_no_claim_grow_is_named(deployed: Deployed) -> None:
    before = claim(deployed)
    done = deployed.program.up(config=sized(deployed, "2Gi"), expect=None)
    assert done.status != 0
    assert "storage.size: the storage class does not let a claim grow" in done.text
    assert claim(deployed) == before


@pytest.mark.long
@pytest.mark.usefixtures("growing")
def test_a_claim_grows_in_place(deployed: Deployed) -> None:
    image = deployed.push("before-growth")
    uid, _ = claim(deployed)
    deployed.program.up(config=sized(deployed, "2Gi"))
    assert claim(deployed) == (uid, "2Gi")
    assert deployed.run_pod("cube01", image) == "hello from cube01\n"
