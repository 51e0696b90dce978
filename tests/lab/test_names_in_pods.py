"""Pods use the registry by the name that nodes use, beside what users have put into the cluster's DNS themselves."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.images import BUSYBOX
from lab.tests.waiting import wait_until

from .deployed import Deployed

pytestmark = pytest.mark.lab
PODS = {"names": True, "trustBundle": ["default"], "announce": True}
DNS = ("kube-system", "coredns-custom")
TRUST = ("default", "k3s-registry-ca")
ANNOUNCEMENT = ("kube-public", "local-registry-hosting")
OURS = "k3s-registry.server"
MINE = {"mine.server": "mine.example:53 {\n    hosts {\n        192.0.2.9 mine.example\n    }\n}\n"}
RESOLVED_SECONDS = 120
POD = "asking"
LIBRARIES = "for each in lib lib64; do [ -e /$each ] || /bin/busybox ln -s usr/$each /$each; done"
CURL = f"{LIBRARIES}; /usr/bin/curl --silent --show-error --fail"
"""The machine's own curl, which looks for its libraries there."""


def config_map(deployed: Deployed, place: tuple[str, str]) -> dict[str, Any] | None:
    """An object of the cluster, or None where there is none."""
    namespace, name = place
    found = deployed.program.kubectl("-n", namespace, "get", "configmap", name, "--ignore-not-found", "-o", "json")
    read: dict[str, Any] | None = json.loads(found) if found else None
    return read


def data(deployed: Deployed, place: tuple[str, str]) -> dict[str, str]:
    """The content of an object that exists."""
    found = config_map(deployed, place)
    assert found is not None, f"{'/'.join(place)} does not exist"
    content: dict[str, str] = found.get("data", {})
    return content


def write(deployed: Deployed, place: tuple[str, str], content: dict[str, str]) -> None:
    """Create or change an object as a user does."""
    metadata = {"namespace": place[0], "name": place[1]}
    document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": content}
    deployed.program.kubectl("apply", "-f", "-", stdin=json.dumps(document))


def delete(deployed: Deployed, place: tuple[str, str]) -> None:
    """Delete an object as a user does."""
    deployed.program.kubectl("-n", place[0], "delete", "configmap", place[1], "--ignore-not-found")


def configured(deployed: Deployed, **pods: Any) -> Path:
    """The committed stack file with this section."""
    return deployed.program.configuration(lambda keys: keys.update(pods=pods))


def inside(deployed: Deployed, script: str) -> subprocess.CompletedProcess[str]:
    """The result of a script in the pod."""
    control = deployed.program.machines["control01"]
    command = ["kubectl", "--cache-dir=/tmp/kubectl", "exec", POD, "--", "/bin/busybox", "sh", "-c", script]
    return control.run(control.kind.k3s(*command), check=False)


def look_up(deployed: Deployed, name: str, kind: str = "a") -> str:
    """The answer of the cluster's DNS to a pod."""
    return inside(deployed, f"/bin/busybox nslookup -type={kind} {name}.").stdout


@pytest.fixture(scope="module")
def everything(deployed: Deployed) -> Iterator[Path]:
    """A stack whose pods get everything, beside a key of the user's; the committed stack afterwards."""
    write(deployed, DNS, MINE)
    config = configured(deployed, **PODS)
    deployed.program.up(config=config)
    # The kubelet looks for changed ConfigMaps when a pod changes, and otherwise within a minute and a half.
    deployed.program.kubectl("-n", DNS[0], "annotate", "pods", "-l", "k8s-app=kube-dns", "lab/changed=now")
    yield config
    deployed.program.restore()
    delete(deployed, DNS)


@pytest.fixture(scope="module")
def pod(deployed: Deployed, everything: Path) -> Iterator[None]:
    """A pod that mounts the trust bundle, and the machine's programs."""
    del everything
    mounts = [{"name": "programs", "mountPath": "/usr"}, {"name": "trust", "mountPath": "/trust"}]
    container = {"name": "asking", "image": BUSYBOX, "imagePullPolicy": "Never", "volumeMounts": mounts}
    spec = {
        "nodeName": "control01",
        "terminationGracePeriodSeconds": 0,
        "containers": [{**container, "command": ["/bin/busybox", "sleep", "86400"]}],
        "volumes": [
            {"name": "programs", "hostPath": {"path": "/usr"}},
            {"name": "trust", "configMap": {"name": TRUST[1]}},
        ],
    }
    document = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": POD}, "spec": spec}
    deployed.program.kubectl("create", "-f", "-", stdin=json.dumps(document))
    deployed.program.kubectl("wait", "--for=condition=Ready", f"pod/{POD}", "--timeout=60s")
    yield
    deployed.program.kubectl("delete", "pod", POD, "--wait=false")


@pytest.fixture
def resolving(deployed: Deployed, pod: None) -> None:
    """The cluster's DNS has read its new configuration."""
    del pod
    wait_until(
        lambda: "10.77.0.202" in look_up(deployed, "registry.cube.local"), RESOLVED_SECONDS, "the name in a pod", 0.5
    )


@pytest.mark.usefixtures("resolving")
def test_a_pod_pulls_by_the_name_that_nodes_use_and_trusts_it(deployed: Deployed) -> None:
    reference = deployed.push("from-a-pod")
    endpoint, _, image = reference.partition("/")
    url = f"https://{endpoint}/v2/{image.replace(':', '/manifests/')}"
    pulled = inside(deployed, f"{CURL} --cacert /trust/ca.crt {url}")
    assert pulled.returncode == 0, pulled.stderr
    assert json.loads(pulled.stdout)["layers"]
    assert "certificate" in inside(deployed, f"{CURL} --cacert /dev/null {url}").stderr, "curl does not verify it"


@pytest.mark.usefixtures("resolving")
def test_a_pod_resolves_every_name_and_those_of_the_user(deployed: Deployed) -> None:
    assert "10.77.0.202" in look_up(deployed, "registry")
    assert "192.0.2.9" in look_up(deployed, "mine.example")


@pytest.mark.usefixtures("resolving")
def test_the_other_family_is_an_empty_answer(deployed: Deployed) -> None:
    """Resolvers give a name up that does not exist for one of the two families."""
    answer = look_up(deployed, "registry.cube.local", "aaaa")
    assert "10.43.0.10" in answer
    assert "NXDOMAIN" not in answer
    assert "NXDOMAIN" in look_up(deployed, "other.cube.local", "aaaa")


def test_tools_find_the_registry(deployed: Deployed, everything: Path) -> None:
    del everything
    announced = yaml.safe_load(data(deployed, ANNOUNCEMENT)["localRegistryHosting.v1"])
    assert announced["host"] == announced["hostFromClusterNetwork"] == "registry.cube.local:5000"


def test_a_second_up_changes_nothing_for_pods(deployed: Deployed, everything: Path) -> None:
    write(deployed, DNS, {**MINE, "later.override": "# mine\n"})
    deployed.program.up("--refresh", "--expect-no-changes", config=everything)
    assert set(data(deployed, DNS)) == {*MINE, OURS, "later.override"}
    write(deployed, DNS, MINE)


@pytest.mark.long
def test_a_rotation_changes_the_trust_bundle_in_place(deployed: Deployed, everything: Path) -> None:
    def both(keys: dict[str, Any]) -> None:
        keys["pods"] = PODS
        keys["certificates"] |= {"authorities": ["one", "two"], "issuer": "one"}

    before = config_map(deployed, TRUST)
    deployed.program.up(config=deployed.program.configuration(both))
    after = config_map(deployed, TRUST)
    assert before is not None
    assert after is not None
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["data"]["ca.crt"] == deployed.program.outputs()["trustBundlePem"]
    assert after["data"]["ca.crt"].count("BEGIN CERTIFICATE") == 2
    deployed.program.up(config=everything)


@pytest.mark.parametrize("leave", ["up", pytest.param("destroy", marks=pytest.mark.long)])
def test_switched_off_nothing_is_left_but_the_users_keys(deployed: Deployed, everything: Path, leave: str) -> None:
    deployed.program.up(config=everything)
    assert OURS in data(deployed, DNS)
    deployed.program.run(leave, "--yes", "--skip-preview")
    left = config_map(deployed, DNS)
    assert left is not None
    assert left["data"] == MINE
    assert "pulumi" not in json.dumps(left)
    assert (config_map(deployed, TRUST), config_map(deployed, ANNOUNCEMENT)) == (None, None)


@pytest.mark.long
def test_where_the_user_has_no_keys_an_empty_object_is_left(deployed: Deployed) -> None:
    """As docs/decisions.md says; should this fail, something deletes the object, and the page can say so."""
    deployed.program.up()
    delete(deployed, DNS)
    deployed.program.up(config=configured(deployed, names=True))
    assert set(data(deployed, DNS)) == {OURS}
    deployed.program.up()
    assert data(deployed, DNS) == {}
    delete(deployed, DNS)


@pytest.mark.long
def test_an_announcement_of_others_is_not_taken_over(deployed: Deployed) -> None:
    others = {"localRegistryHosting.v1": "host: localhost:5001\n"}
    write(deployed, ANNOUNCEMENT, others)
    text = deployed.program.up(config=configured(deployed, announce=True), expect=None).text
    assert '"local-registry-hosting" already exists' in text
    assert data(deployed, ANNOUNCEMENT) == others
    delete(deployed, ANNOUNCEMENT)
    deployed.program.up()


@pytest.mark.long
def test_a_second_server_block_for_our_name_is_refused(deployed: Deployed) -> None:
    """CoreDNS would not start with two."""
    write(deployed, DNS, {"mine.server": "registry.cube.local {\n    log\n}\n"})
    text = deployed.program.up(config=configured(deployed, names=True), expect=None).text
    assert "pods.names: found a server block for registry.cube.local in key mine.server" in text
    deployed.program.up()
    delete(deployed, DNS)
