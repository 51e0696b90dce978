"""Caches of upstreams: what nodes pull through them, what happens when one side is down, and the way back."""

import base64
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.machines import Machine
from lab.tests.waiting import wait_until

from .deployed import Deployed
from .node_files import containing, differences, snapshot
from .upstream import ADDRESS, CLOSED, DIRECT, NAME, OPEN, PASSWORD, USER, Upstream

pytestmark = pytest.mark.lab
HOST = f"{NAME}:{DIRECT}"
PRIVATE = "private.test"
IP, PRIVATE_IP = "10.43.0.53", "10.43.0.54"
OBJECT, PRIVATE_OBJECT = f"cache-upstream-test-{DIRECT}", "cache-private-test"
NO_ANSWER = "000"
AT_ONCE = 5
"""Seconds; a node that waited for an answer would take 30."""
CACHES: Mapping[str, Mapping[str, Any]] = {
    HOST: {"ip": IP, "remoteUrl": f"http://{ADDRESS}:{OPEN}", "size": "1Gi"},
    PRIVATE: {"ip": PRIVATE_IP, "remoteUrl": f"http://{ADDRESS}:{CLOSED}", "size": "1Gi", "username": USER},
}


def with_caches(deployed: Deployed, password: str = PASSWORD, **more: object) -> Path:
    """A configuration with both caches, whose password is encrypted as a user does it."""
    program = deployed.program
    config = program.configuration(lambda keys: keys.update({"cache": CACHES, **more}))
    path = f'k3s-registry:cache["{PRIVATE}"].password'
    program.run("config", "set", "--secret", "--path", path, password, config=config)
    return config


@dataclass(frozen=True)
class Cached:
    """A cluster with caches, their upstream, and what was there before."""

    deployed: Deployed
    upstream: Upstream
    config: Path
    before: Mapping[str, dict[str, str]]

    def checked_pull(self, machine: Machine, image: str) -> float:
        """Pull an image that the node does not have, or fail the test; returns the seconds that it took."""
        machine.run(machine.kind.k3s("crictl", "rmi", image), check=False)
        started = time.monotonic()
        done = machine.run(machine.kind.k3s("crictl", "pull", image), check=False, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return time.monotonic() - started

    def push(self, repository: str) -> str:
        """Push an image to the upstream, past any cache; returns its path."""
        self.deployed.push(repository, self.upstream.registry(), files={"name": repository.encode()})
        return f"{repository}:latest"

    def answer(self, machine: Machine, ip: str, *options: str) -> str:
        """The status of an answer to a program on a node that trusts the registry's authority."""
        authority = "/etc/rancher/k3s/k3s-registry-ca.crt"
        command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-m", "5", "--cacert", authority]
        return machine.run([*command, *options, f"https://{ip}:5000/v2/"], check=False).stdout

    def kubectl(self, *args: str) -> str:
        """Run kubectl in the registry's namespace."""
        return self.deployed.program.kubectl("-n", "docker-registry", *args)

    @property
    def machines(self) -> list[Machine]:
        """The cluster's machines."""
        return list(self.deployed.program.machines.values())


def restart(machine: Machine) -> None:
    """Restart K3s and wait for its containerd."""
    machine.run(["systemctl", "restart", "k3s" if machine.place.is_server else "k3s-agent"])
    wait_until(lambda: not machine.run(machine.kind.k3s("crictl", "images"), check=False).returncode, 60, "containerd")


@pytest.fixture(scope="module")
def upstream(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    """An upstream that nodes find and trust by themselves, as they do one on the Internet."""
    made = Upstream(deployed.program.lab, tmp_path_factory.mktemp("upstream"))
    bundle = "/etc/ssl/certs/ca-certificates.crt"
    machines = list(deployed.program.machines.values())
    former = [
        (machine, path, machine.path(path).read_bytes()) for machine in machines for path in ("/etc/hosts", bundle)
    ]
    for machine, path, content in former:
        added = f"{ADDRESS} {NAME}\n" if path == "/etc/hosts" else made.authority.pem
        machine.write(path, content + added.encode())
    # containerd reads the system's authorities once.
    restarted = [machine for machine in machines if not machine.place.is_server]
    for machine in restarted:
        restart(machine)
    made.start()
    yield made
    made.stop()
    for machine, path, content in former:
        machine.write(path, content)
    for machine in restarted:
        restart(machine)


@pytest.fixture(scope="module")
def cached(deployed: Deployed, upstream: Upstream) -> Iterator[Cached]:
    """The cluster with two caches; afterwards the committed stack."""
    program = deployed.program
    config = with_caches(deployed)
    before = {name: snapshot(machine) for name, machine in program.machines.items()}
    program.up(config=config)
    yield Cached(deployed, upstream, config, before)
    program.up()


def test_many_nodes_pull_an_image_from_the_upstream_once(cached: Cached) -> None:
    path = cached.push("team/many")
    for machine in cached.machines:
        cached.checked_pull(machine, f"{HOST}/{path}")
    fetched = cached.upstream.requests(OPEN, "method=GET", "/v2/team/many/blobs/")
    digests = {line.partition("/blobs/")[2][:71] for line in fetched}
    assert len(fetched) == len(digests) > 0, fetched
    assert cached.upstream.requests(DIRECT, "method=GET", "/v2/team/many/") == []


@pytest.mark.long
def test_nodes_pull_from_an_upstream_whose_password_they_do_not_know(cached: Cached) -> None:
    path = cached.push("team/secret")
    for machine in cached.machines:
        cached.checked_pull(machine, f"{PRIVATE}/{path}")
    assert cached.upstream.requests(CLOSED, "method=GET", "/v2/team/secret/blobs/"), "by the cache, with its password"


@pytest.mark.long
def test_a_stack_with_caches_changes_nothing_by_itself(cached: Cached) -> None:
    cached.deployed.program.up("--expect-no-changes", config=cached.config)


@pytest.mark.long
def test_a_cache_is_open_to_the_clusters_certificates_alone(cached: Cached) -> None:
    machine = cached.machines[0]
    identity = f"{machine.kind.data_dir}/agent/client-kubelet"
    for ip in (IP, PRIVATE_IP):
        assert cached.answer(machine, ip) == NO_ANSWER
        assert cached.answer(machine, ip, "--cert", f"{identity}.crt", "--key", f"{identity}.key") == "200"


@pytest.mark.long
def test_k3s_itself_writes_the_same_files_at_its_next_start(cached: Cached) -> None:
    machine = cached.deployed.program.machines["cube01"]
    folder = f"{machine.kind.data_dir}/agent/etc/containerd/certs.d"
    names = (HOST, PRIVATE, *(f"{host}:5000" for host in ("registry.cube.local", IP, PRIVATE_IP)))
    files = ["cat", *(f"{folder}/{name}/hosts.toml" for name in names)]
    before = machine.run(files).stdout
    restart(machine)
    assert machine.run(files).stdout == before


def test_pulls_go_on_past_a_cache_that_is_down(cached: Cached) -> None:
    path = cached.push("team/past")
    machine = cached.deployed.program.machines["cube02"]
    through = cached.checked_pull(machine, f"{HOST}/{path}")
    assert cached.upstream.requests(DIRECT, "method=GET", "/v2/team/past/") == []
    cached.kubectl("scale", "deployment", OBJECT, "--replicas=0")
    cached.kubectl("wait", "--for=delete", "pod", "-l", f"cache={OBJECT}", "--timeout=60s")
    try:
        past = cached.checked_pull(machine, f"{HOST}/{path}")
    finally:
        cached.kubectl("scale", "deployment", OBJECT, "--replicas=1")
        cached.kubectl("rollout", "status", f"deployment/{OBJECT}", "--timeout=60s")
    assert cached.upstream.requests(DIRECT, "method=GET", "/v2/team/past/")
    assert past < through + AT_ONCE


@pytest.mark.long
def test_what_a_cache_has_is_pulled_while_the_upstream_is_down(cached: Cached) -> None:
    image = f"{HOST}/{cached.push('team/kept')}"
    cached.checked_pull(cached.deployed.program.machines["cube01"], image)
    cached.upstream.stop()
    try:
        cached.checked_pull(cached.deployed.program.machines["cube02"], image)
    finally:
        cached.upstream.start()


@pytest.mark.long
def test_a_wrong_password_is_one_sentence_and_pulls_of_others_go_on(cached: Cached) -> None:
    program = cached.deployed.program
    failed = program.up(config=with_caches(cached.deployed, "wrong"), expect=None)
    assert failed.status != 0, failed.text
    log = ("logs", f"deployment/{PRIVATE_OBJECT}", "--all-containers")
    assert f"cache.{PRIVATE}: the cache did not start" in failed.text
    assert f"kubectl -n docker-registry {' '.join(log)}" in failed.text
    told = f"cache.{PRIVATE}: found that http://{ADDRESS}:{CLOSED} refuses the user {USER} (HTTP/1."
    # The command also says that the cache itself waits, and so ends in an error.
    server = program.machines["control01"]
    command = server.kind.k3s("kubectl", "--cache-dir=/tmp/kubectl", "-n", "docker-registry", *log)
    assert told in server.run(command, check=False).stdout
    cached.checked_pull(cached.machines[0], f"{HOST}/{cached.push('team/meanwhile')}")
    program.up(config=cached.config)
    cached.checked_pull(cached.machines[0], f"{PRIVATE}/{cached.push('team/again')}")


@pytest.mark.long
def test_the_upstreams_password_is_printed_and_stored_nowhere_in_plain_text(cached: Cached) -> None:
    program = cached.deployed.program
    needles = [PASSWORD.encode(), base64.b64encode(PASSWORD.encode()).rstrip(b"=")]
    needles.append(base64.b64encode(f"{USER}:{PASSWORD}".encode()).rstrip(b"="))
    exported = program.engine.run(
        ["stack", "export", "--show-secrets", "--stack", "dev"], capture=True, timeout=60
    ).stdout.encode()
    assert [needle for needle in needles[:2] if needle in exported] == [needles[1]], "the search must find it"
    printed = "\n".join(program.printed).encode()
    assert [needle for needle in needles if needle in printed] == []
    files = [path for path in program.engine.backend.rglob("*") if path.is_file()]
    assert [path.name for path in files for needle in needles if needle in path.read_bytes()] == []
    for name, machine in program.machines.items():
        assert containing(machine, needles) == [], name
        journal = machine.run(["journalctl", "--no-pager", "-o", "cat"]).stdout.encode()
        assert [needle for needle in needles if needle in journal] == [], name
    assert PASSWORD not in cached.kubectl("logs", f"deployment/{PRIVATE_OBJECT}", "--all-containers")


@pytest.mark.long
def test_without_its_keys_every_cache_is_gone_and_every_file_is_as_before(cached: Cached) -> None:
    program = cached.deployed.program
    program.up()
    kinds = "deployments,services,secrets,pvc,pods,networkpolicies"

    def left() -> list[str]:
        return [name for name in cached.kubectl("get", kinds, "-o", "name").split() if "/cache-" in name]

    wait_until(lambda: not left(), 60, "the last pod of a cache")
    changed = {name: differences(cached.before[name], snapshot(machine)) for name, machine in program.machines.items()}
    assert changed == {name: [] for name in changed}
    program.up("--expect-no-changes")
