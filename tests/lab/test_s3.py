"""Images in a bucket: two pods serve them from different nodes, and they outlive pods, nodes and the stack itself."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench import conformance
from lab.tests.waiting import wait_until

from .deployed import Deployed
from .node_files import containing
from .program import Program
from .pulling import Pulling
from .s3_service import BUCKET, S3Service, s3_service
from .test_passwords import USERS, with_auth
from .test_space import delete, documented_commands, volume

pytestmark = [pytest.mark.lab, pytest.mark.long]
KEYS = {"accessKey": "AKIAUNLIKELY4711", "secretKey": "an/unlikely+secret=0815"}
DIRECTORY = "registries/lab"
LARGE = 25 * 1024**2
"""Bytes of a layer that the registry uploads in several parts."""
REPLICAS = 2
READY_SECONDS = 90


def with_bucket(program: Program, service: S3Service, users: Mapping[str, str] = {}) -> Path:
    """A configuration with the bucket, two pods and users; the keys are encrypted as a user does it."""
    s3 = {"bucket": BUCKET, "endpoint": service.endpoint, "ca": service.ca, "rootDirectory": DIRECTORY}
    config = with_auth(program, users, more={"storage": {"s3": s3}, "replicas": REPLICAS})
    for name, value in KEYS.items():
        program.run("config", "set", "--secret", "--path", f"k3s-registry:storage.s3.{name}", value, config=config)
    return config


@dataclass(frozen=True)
class InBucket:
    """The registry with its images in a bucket."""

    deployed: Deployed
    service: S3Service
    config: Path
    moved: str
    """An image that was in the claim before, and was copied to the bucket."""
    large: str

    @property
    def program(self) -> Program:
        return self.deployed.program

    def pods(self) -> dict[str, str]:
        """The node of each pod that is ready and not ending, by the pod's name."""
        listed = self.program.kubectl("-n", "docker-registry", "get", "pods", "-l", "app=registry", "-o", "json")
        return {
            pod["metadata"]["name"]: pod["spec"]["nodeName"]
            for pod in json.loads(listed)["items"]
            if "deletionTimestamp" not in pod["metadata"]
            and any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"]["conditions"])
        }

    def wait_for_pods(self, *without: str) -> None:
        """Wait until as many pods serve as are configured, and none of those named, or on a node that is named."""

        def served() -> bool:
            pods = self.pods()
            return len(pods) == REPLICAS and {*pods, *pods.values()}.isdisjoint(without)

        wait_until(served, READY_SECONDS, "two pods")

    def pulled_everywhere(self, image: str) -> dict[str, str]:
        """What a pod of the image says on each node."""
        return {name: self.deployed.run_pod(name, image) for name in self.program.machines}

    def nodes(self) -> list[str]:
        """The nodes of the pods that serve."""
        return sorted(self.pods().values())

    def load(self) -> Pulling:
        return Pulling(list(self.program.machines.values()), self.large)


def greetings(names: Sequence[str]) -> dict[str, str]:
    return {name: f"hello from {name}\n" for name in names}


@pytest.fixture(scope="module")
def in_bucket(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InBucket]:
    """The committed stack, whose images are copied to a bucket that the stack then uses; afterwards as before."""
    program = deployed.program
    moved = deployed.push("from-the-claim")
    with s3_service(program.lab, tmp_path_factory.mktemp("s3")) as service:
        config = with_bucket(program, service)
        machine, images = volume(deployed)
        service.copy(machine.path(images), DIRECTORY)
        program.up(config=config)
        large = deployed.push("large", files={"large": hashlib.shake_256(b"large").digest(LARGE)})
        yield InBucket(deployed, service, config, moved, large)
        program.run("destroy", "--yes", "--skip-preview")
        program.up()


def test_images_in_a_protected_claim_are_not_given_up(deployed: Deployed, tmp_path: Path) -> None:
    program = deployed.program
    program.up(config=program.configuration(lambda keys: keys["storage"].update(protect=True)))
    with s3_service(program.lab, tmp_path) as service:
        refused = program.run("preview", config=with_bucket(program, service), expect=None)
    program.up()
    assert refused.status != 0
    assert '::registry-server-claim" cannot be deleted' in refused.text
    assert "because it is protected" in refused.text


def test_every_node_has_pulled_from_two_pods_on_different_nodes_without_a_claim(in_bucket: InBucket) -> None:
    program = in_bucket.program
    assert program.outputs()["verifiedNodes"] == sorted(program.machines)
    assert len(set(in_bucket.nodes())) == REPLICAS
    assert program.kubectl("-n", "docker-registry", "get", "persistentvolumeclaims", "-o", "name") == ""


def test_a_stack_with_a_bucket_changes_nothing_by_itself(in_bucket: InBucket) -> None:
    in_bucket.program.up("--expect-no-changes", config=in_bucket.config)


def test_images_that_were_copied_from_the_claim_are_pulled(in_bucket: InBucket) -> None:
    assert in_bucket.pulled_everywhere(in_bucket.moved) == greetings(list(in_bucket.program.machines))


def test_an_image_of_many_parts_is_pulled_on_every_node(in_bucket: InBucket) -> None:
    assert in_bucket.pulled_everywhere(in_bucket.large) == greetings(list(in_bucket.program.machines))


def test_no_pull_fails_while_a_pod_is_deleted(in_bucket: InBucket) -> None:
    victim = next(iter(in_bucket.pods()))
    with in_bucket.load() as pulling:
        in_bucket.program.kubectl("-n", "docker-registry", "delete", "pod", victim)
        in_bucket.wait_for_pods(victim)
    assert pulling.failures == []
    assert min(pulling.pulls.values()) > 0, "the load must have been there"


def test_no_pull_fails_while_the_pods_change(in_bucket: InBucket) -> None:
    with in_bucket.load() as pulling:
        in_bucket.deployed.restart_registry()
    assert pulling.failures == []
    assert min(pulling.pulls.values()) > 0, "the load must have been there"
    assert len(set(in_bucket.nodes())) == REPLICAS


def test_no_pull_fails_while_nodes_are_drained_until_one_is_left(in_bucket: InBucket) -> None:
    kubectl = in_bucket.program.kubectl
    drained = in_bucket.nodes()
    with in_bucket.load() as pulling:
        for node in drained:
            kubectl("drain", node, "--pod-selector=app=registry", "--timeout=120s")
            in_bucket.wait_for_pods(node)
    left = set(in_bucket.nodes())
    kubectl("uncordon", *drained)
    in_bucket.deployed.restart_registry()
    assert len(left) == 1
    assert pulling.failures == []
    assert min(pulling.pulls.values()) > 0, "the load must have been there"
    assert len(set(in_bucket.nodes())) == REPLICAS


def test_a_client_is_not_sent_to_the_s3_service(in_bucket: InBucket) -> None:
    """`Registry.get` accepts an answer with content alone."""
    program = in_bucket.program
    repository = in_bucket.moved.partition("/")[2].partition(":")[0]
    manifest = json.loads(program.registry().get(program.lab, f"/v2/{repository}/manifests/latest"))
    blob = f"/v2/{repository}/blobs/{manifest['config']['digest']}"
    assert "rootfs" in program.registry().get(program.lab, blob)


def test_what_a_client_deletes_is_freed_as_documented(in_bucket: InBucket) -> None:
    deployed, control = in_bucket.deployed, in_bucket.program.machines["control01"]
    before = in_bucket.service.layers()
    delete(deployed, deployed.push("unwanted", files={"unwanted": b"unwanted"}))
    assert in_bucket.service.layers() > before, "deletion alone frees nothing"
    for command in documented_commands():
        control.run(["sh", "-c", command.replace("kubectl", "k3s kubectl --cache-dir=/tmp/kubectl", 1)])
    assert in_bucket.service.layers() <= before
    assert in_bucket.pulled_everywhere(deployed.push("unwanted", files={"unwanted": b"unwanted"}))
    assert in_bucket.pulled_everywhere(in_bucket.moved) == greetings(list(in_bucket.program.machines))


def test_what_passes_with_a_claim_passes_with_a_bucket(in_bucket: InBucket) -> None:
    """OCI's conformance suite, compared with the same registry on this computer's disk."""
    results, taken_away = conformance.run(in_bucket.program.lab)
    assert taken_away == [], results


def test_images_outlive_the_stack_and_need_no_password_on_nodes(in_bucket: InBucket) -> None:
    program = in_bucket.program
    program.run("destroy", "--yes", "--skip-preview", config=in_bucket.config)
    assert "docker-registry" not in program.kubectl("get", "namespaces", "-o", "name")
    program.up(config=with_bucket(program, in_bucket.service, USERS))
    assert in_bucket.pulled_everywhere(in_bucket.moved) == greetings(list(program.machines))


def test_no_key_is_printed_or_stored_in_plain_text(in_bucket: InBucket) -> None:
    program = in_bucket.program
    needles = [value.encode() for value in KEYS.values()]
    assert [needle for needle in needles if needle in "\n".join(program.printed).encode()] == []
    files = [path for path in program.engine.backend.rglob("*") if path.is_file()]
    assert [path.name for path in files for needle in needles if needle in path.read_bytes()] == []
    for name, machine in program.machines.items():
        assert containing(machine, needles) == [], name
