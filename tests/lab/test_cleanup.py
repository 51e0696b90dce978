"""The clean-up: what it deletes and keeps, and what others notice while it runs."""

import json
import re
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from components.nodes.probe_image import REPOSITORY
from lab.tests.waiting import wait_until

from .cleaning import Cleaning, Pushing, fallback_tag
from .deployed import Deployed
from .pulling import Pulling
from .test_space import blobs, volume

pytestmark = pytest.mark.lab
NEVER = "0 0 29 2 *"


def with_cleanup(**changes: Any) -> Any:
    """A change of the configuration that switches the clean-up on."""
    return lambda keys: keys.update(cleanup={"schedule": NEVER, "keep": 2, "keepPatterns": ["v*"], **changes})


@pytest.fixture(scope="module")
def cleaning(deployed: Deployed) -> Iterator[Cleaning]:
    deployed.program.up(config=deployed.program.configuration(with_cleanup()))
    yield Cleaning(deployed)
    deployed.program.restore()


def pod_of(cleaning: Cleaning, name: str, reference: str) -> None:
    """Start a pod that uses an image until the test ends."""
    container = {"name": "it", "image": reference, "command": ["sleep", "3600"]}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"nodeName": "cube01", "terminationGracePeriodSeconds": 0, "containers": [container]},
    }
    kubectl = cleaning.deployed.program.kubectl
    kubectl("create", "-f", "-", stdin=json.dumps(pod))
    phase = "jsonpath={.status.phase}"
    wait_until(lambda: kubectl("get", "pod", name, "-o", phase) == "Running", 60, f"pod {name}")


@pytest.mark.long
def test_a_clean_up_deletes_what_nothing_needs_and_nothing_else(cleaning: Cleaning) -> None:
    deployed = cleaning.deployed
    manifests = {}
    for tag in ("v0", "t1", "t2", "t3", "t4"):
        manifests[tag] = cleaning.push("app", tag, tag)
        time.sleep(1.1)
    signatures = {tag: cleaning.push_referrer("app", manifests[tag]) for tag in ("t1", "t4")}
    indexes = {}
    for tag in ("m1", "m2", "m3"):
        indexes[tag] = cleaning.push_index("multi", tag)
        time.sleep(1.1)
    for number in range(4):
        by_tag = deployed.push("by-tag", files={"n": str(number).encode()})
        if number == 0:
            endpoint = by_tag.partition("/")[0]
            pod_of(cleaning, "by-digest", by_tag)
        time.sleep(1.1)
    try:
        before = blobs(deployed)
        said = cleaning.run("dry")
        assert blobs(deployed) == before, "a dry run frees nothing"
        assert {"Would delete app:t1", "Would delete app:t2", "Would delete multi:m1"} <= set(said.splitlines()), said
        shown = re.fullmatch(r"cleanup tags=(\d+) manifests=(\d+) would free=(\d+)", said.splitlines()[-1])
        assert shown, said

        deployed.program.up(config=deployed.program.configuration(with_cleanup(dryRun=False)))
        control, *others = deployed.program.machines.values()
        with Pulling(others, by_tag) as pulling, Pushing(cleaning) as pushing:
            said = cleaning.run("real")
        assert re.fullmatch(r"cleanup tags=\d+ manifests=\d+ freed=[1-9]\d*", said.splitlines()[-1]), said
        assert pulling.failures == []
        assert all(pulling.pulls.values())

        assert cleaning.tags("app") == {"v0", "t3", "t4", fallback_tag(manifests["t4"])}
        assert cleaning.tags("multi") == {"m2", "m3"}
        assert [tag for tag, manifest in manifests.items() if cleaning.has("app", manifest)] == ["v0", "t3", "t4"]
        assert [tag for tag, manifest in signatures.items() if cleaning.has("app", manifest)] == ["t4"]
        for machine in (control, *others):
            for tag in ("m2", "m3"):
                name = f"{endpoint}/multi@{indexes[tag].index.digest}"
                assert machine.run(machine.kind.k3s("crictl", "pull", name), check=False).returncode == 0, name
        assert all(cleaning.has("multi", child) for child in indexes["m3"].manifests)
        assert not cleaning.has("multi", indexes["m1"].index)

        assert pushing.accepted
        assert pushing.refused, "pushes are refused for a while"
        assert [manifest for manifest in pushing.accepted if not cleaning.has("pushed", manifest)] == []
        again = cleaning.push("app", "t1", "t1")
        assert cleaning.has("app", again), "the registry has forgotten the blobs that were deleted"

        digest = deployed.program.kubectl(
            "get", "pod", "by-digest", "-o", "jsonpath={.status.containerStatuses[0].imageID}"
        )
        control.run(control.kind.k3s("crictl", "pull", digest))
    finally:
        deployed.program.kubectl("delete", "pod", "by-digest", "--ignore-not-found")
    revisions = volume(deployed)
    found = revisions[0].run(
        ["find", f"{revisions[1]}/docker/registry/v2/repositories/{REPOSITORY}/_manifests/revisions", "-name", "link"]
    )
    assert len(found.stdout.split()) == 4, "the newest probe image and its three platforms"
    assert not cleaning.tags(REPOSITORY)


@pytest.mark.long
def test_a_collector_that_is_killed_leaves_a_registry_that_works(cleaning: Cleaning) -> None:
    deployed = cleaning.deployed
    deployed.program.up(config=deployed.program.configuration(with_cleanup(dryRun=False)))
    kept = [cleaning.push("killed", f"v{number}", f"killed {number}") for number in range(3)]
    cleaning.start("killed")
    wait_until(lambda: "asked to hand the images over" in cleaning.log("killed"), 120, "the collector has begun")
    time.sleep(25)
    cleaning.kubectl("delete", "pod", "-l", "job-name=killed", "--grace-period=0", "--force")
    cleaning.kubectl("delete", "job", "killed")

    def accepts_pushes() -> bool:
        try:
            cleaning.push("killed", "v9", "after")
        except AssertionError:
            return False
        return True

    wait_until(accepts_pushes, 90, "the registry accepts pushes again")
    assert all(cleaning.has("killed", manifest) for manifest in kept)
    deployed.program.up(config=deployed.program.configuration(with_cleanup(dryRun=False, schedule=NEVER)))


def started(cleaning: Cleaning) -> datetime:
    """When the registry's last container has started; a former pod may still be ending."""
    path = 'jsonpath={range .items[*]}{.status.containerStatuses[0].state.running.startedAt}{"\\n"}{end}'
    text = cleaning.kubectl("get", "pods", "-l", "name=registry", "--field-selector=status.phase=Running", "-o", path)
    return max(map(datetime.fromisoformat, text.split()))


@pytest.mark.long
def test_a_clean_up_that_is_switched_off_while_it_runs_ends_before_pushes_begin(cleaning: Cleaning) -> None:
    deployed = cleaning.deployed
    deployed.program.up(config=deployed.program.configuration(with_cleanup(dryRun=False)))
    cleaning.start("switched-off")
    wait_until(lambda: "asked to hand the images over" in cleaning.log("switched-off"), 120, "the collector has begun")
    ended = list[datetime]()

    def watch() -> None:
        cleaning.finish("switched-off")
        ended.append(datetime.now(UTC))
        # The scheduler looks at the new pod again only after five minutes, and at another pod at once.
        cleaning.kubectl("delete", "pods", "-l", "name=registry", "--field-selector=status.phase=Pending")

    watcher = threading.Thread(target=watch)
    watcher.start()
    deployed.program.up()
    watcher.join()
    # The job is seen to end some seconds after its container.
    assert started(cleaning) > ended[0] - timedelta(seconds=15)


def test_a_clean_up_that_is_switched_off_leaves_no_trace(deployed: Deployed, cleaning: Cleaning) -> None:
    deployed.program.up()
    kinds = "cronjobs,serviceaccounts,configmaps,clusterroles,clusterrolebindings"
    assert "registry-cleanup" not in cleaning.kubectl("get", kinds, "-o", "name")
    machine, folder = volume(deployed)
    assert machine.run(["ls", "-A", folder]).stdout.split() == ["docker"]
    assert machine.run(["ls", "-A", folder.rpartition("/")[0]]).stdout.split() == ["registry"]
    template = "jsonpath={.spec.template.spec.containers[0].command}{.spec.template.spec.volumes[*].name}"
    assert cleaning.kubectl("get", "deployment", "registry", "-o", template) == "lv-storage certs"
    deployed.program.up("--expect-no-changes")
