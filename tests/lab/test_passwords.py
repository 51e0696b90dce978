"""Passwords for people, none on nodes: switched on and off under load, and tried from the LAN and by pods."""

import base64
import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench import conformance
from bench.deployed import CREDENTIALS
from bench.load import EVENTS
from bench.load import run as run_load
from components.registry.passwords import proof_password
from lab.machines import Machine
from lab.tests.waiting import wait_until

from .deployed import Deployed
from .node_files import containing
from .program import Program
from .pulling import Pulling
from .test_space import documented_commands

pytestmark = pytest.mark.lab
USERS = {"alice": "an-unlikely-word-4711", "bob": "another unlikely word"}
PUBLIC, NODES = 5000, 5002
LEAST_PULLS = 3
UNAUTHORIZED, READ_ONLY, NO_ANSWER = "401", "405", "000"


def with_auth(
    program: Program,
    users: Mapping[str, str] = USERS,
    *,
    anonymous: bool = False,
    more: Mapping[str, object] | None = None,
) -> Path:
    """A configuration with users, whose passwords are encrypted as a user does it, and with `more` keys."""
    auth = {"auth": {"anonymous": True}} if anonymous else {}
    config = program.configuration(lambda keys: keys.update({**auth, **(more or {})}))
    for name, password in users.items():
        key = f"k3s-registry:auth.users.{name}"
        program.run("config", "set", "--secret", "--path", key, password, config=config)
    return config


@dataclass(frozen=True)
class Closed:
    """A registry that asks for passwords, and what happened on the way there."""

    deployed: Deployed
    config: Path
    image: str
    failures: list[str]
    pulls: Mapping[str, int]

    def answer(self, *options: str, path: str = "/v2/", port: int = PUBLIC) -> str:
        """The status of an answer to a client on the LAN."""
        registry = self.deployed.program.registry()
        ca = self.deployed.certificates(registry) / "ca.crt"
        command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", str(ca), *options]
        command += ["--resolve", f"{registry.host}:{port}:{registry.ip}", f"https://{registry.host}:{port}{path}"]
        lan = self.deployed.program.lab.in_lan(*command)
        return subprocess.run(lan, capture_output=True, text=True, check=False).stdout

    def push(self, repository: str) -> str:
        """Push an image with the configuration that the stack gives to a user; returns its reference."""
        shown = self.deployed.program.run("stack", "output", "pushConfigs", "--show-secrets", "--json")
        self.deployed.program.printed.remove(shown.text)  # it was asked for what must not be printed otherwise
        registry = self.deployed.program.registry()
        logins = self.deployed.folder / "logins.json"
        # This computer cannot resolve the registry's name.
        logins.write_text(json.loads(shown.text)["alice"].replace(registry.host, registry.ip))
        return self.deployed.push(repository, logins=logins)

    def identity(self, machine: Machine) -> list[str]:
        """curl's options for a client with the certificate of a node."""
        options = []
        for option, kind in {"--cert": "crt", "--key": "key"}.items():
            copy = self.deployed.folder / f"stolen.{kind}"
            copy.write_text(machine.run(["cat", f"{machine.kind.data_dir}/agent/client-kubelet.{kind}"]).stdout)
            options += [option, str(copy)]
        return options


def load(deployed: Deployed, image: str) -> Pulling:
    return Pulling(list(deployed.program.machines.values()), image)


@pytest.fixture(scope="module")
def closed(deployed: Deployed) -> Iterator[Closed]:
    """The registry with passwords, reached in two steps under load; afterwards the committed stack."""
    program = deployed.program
    config = with_auth(program)
    image = deployed.push("pulled-meanwhile")
    with load(deployed, image) as pulling:
        program.up(config=with_auth(program, anonymous=True))
        program.up(config=config)
    yield Closed(deployed, config, image, pulling.failures, pulling.pulls)
    if not program.is_committed:
        program.up(config=with_auth(program, anonymous=True))
        program.up()


def test_passwords_are_not_required_by_the_first_up_with_users(deployed: Deployed) -> None:
    program = deployed.program
    refused = program.run("preview", config=with_auth(program), expect=None)
    assert refused.status != 0
    assert "auth: passwords would be required by the same `up`" in refused.text


def test_no_pull_fails_while_passwords_are_switched_on(closed: Closed) -> None:
    assert closed.failures == []
    assert min(closed.pulls.values()) >= LEAST_PULLS, "the load must have been there"


def test_a_stack_with_passwords_changes_nothing_by_itself(closed: Closed) -> None:
    closed.deployed.program.up("--expect-no-changes", config=closed.config)


def test_a_client_on_the_lan_needs_the_right_password(closed: Closed) -> None:
    assert closed.answer() == UNAUTHORIZED
    assert closed.answer("-u", "alice:wrong") == UNAUTHORIZED
    for name, password in USERS.items():
        assert closed.answer("-u", f"{name}:{password}") == "200"


def test_a_client_without_a_password_neither_pushes_nor_pulls(closed: Closed) -> None:
    image = "/v2/k3s-registry/pull-proof"
    digest = closed.deployed.program.outputs()["nodes"]["cube01"]["pulledDigest"]
    assert closed.answer(path=f"{image}/manifests/{digest}") == UNAUTHORIZED
    assert closed.answer("-X", "POST", path=f"{image}/blobs/uploads/") == UNAUTHORIZED


def test_pods_pull_what_a_user_pushed_on_every_node_without_a_secret(closed: Closed) -> None:
    image = closed.push("behind-a-password")
    for name in closed.deployed.program.machines:
        assert closed.deployed.run_pod(name, image) == f"hello from {name}\n"


def test_the_port_of_the_nodes_is_closed_to_passwords_and_open_to_the_clusters_certificates(closed: Closed) -> None:
    assert closed.answer("-u", f"alice:{USERS['alice']}", port=NODES) == NO_ANSWER
    assert closed.answer(*closed.identity(closed.deployed.program.machines["cube01"]), port=NODES) == "200"


def test_a_node_can_push_nothing(closed: Closed) -> None:
    identity = closed.identity(closed.deployed.program.machines["cube02"])
    assert closed.answer("-X", "POST", *identity, path="/v2/any/blobs/uploads/", port=NODES) == READ_ONLY
    assert (
        closed.answer("-X", "DELETE", *identity, path=f"/v2/any/manifests/sha256:{'0' * 64}", port=NODES) == READ_ONLY
    )


@pytest.mark.long
def test_a_collection_as_documented_leaves_the_port_of_the_nodes_read_only(closed: Closed) -> None:
    control = closed.deployed.program.machines["control01"]
    for command in documented_commands():
        control.run(["sh", "-c", command.replace("kubectl", "k3s kubectl --cache-dir=/tmp/kubectl", 1)])
    identity = closed.identity(control)
    assert closed.answer("-X", "POST", *identity, path="/v2/any/blobs/uploads/", port=NODES) == READ_ONLY


@pytest.mark.long
def test_k3s_itself_writes_the_same_files_at_its_next_start(closed: Closed) -> None:
    program = closed.deployed.program
    machine = program.machines["cube01"]
    folders = [
        f"{machine.kind.data_dir}/agent/etc/containerd/certs.d/registry.cube.local:{port}" for port in (5000, 5002)
    ]
    files = ["cat", *(f"{folder}/hosts.toml" for folder in folders)]
    before = machine.run(files).stdout
    machine.run(["systemctl", "restart", "k3s-agent"])
    wait_until(lambda: not machine.run(machine.kind.k3s("crictl", "images"), check=False).returncode, 60, "containerd")
    assert machine.run(files).stdout == before


@pytest.mark.long
def test_a_user_who_is_removed_is_out_when_the_up_has_ended(closed: Closed) -> None:
    program = closed.deployed.program
    program.up(config=with_auth(program, {"alice": USERS["alice"]}))
    assert closed.answer("-u", f"bob:{USERS['bob']}") == UNAUTHORIZED
    assert closed.answer("-u", f"alice:{USERS['alice']}") == "200"
    program.up(config=closed.config)
    assert closed.answer("-u", f"bob:{USERS['bob']}") == "200"


def test_no_password_is_printed_or_stored_in_plain_text(closed: Closed) -> None:
    program = closed.deployed.program
    exported = program.engine.run(
        ["stack", "export", "--show-secrets", "--stack", "dev"], capture=True, timeout=60
    ).stdout
    [key] = [
        resource["outputs"]["privateKeyPem"]["plaintext"]
        for resource in json.loads(exported)["deployment"]["resources"]
        if resource["urn"].endswith("::registry-certificates-server-key")
    ]
    passwords = [*USERS.values(), proof_password(json.loads(key))]
    logins = [base64.b64encode(f"{name}:{password}".encode()).rstrip(b"=") for name, password in USERS.items()]
    needles = [password.encode() for password in passwords] + logins
    told = [needle for needle in needles if needle in exported.encode()]
    assert told == [passwords[-1].encode(), *logins], "the search must be able to find them"
    printed = "\n".join(program.printed).encode()
    assert [needle for needle in needles if needle in printed] == []
    files = [path for path in program.engine.backend.rglob("*") if path.is_file()]
    assert [path.name for path in files for needle in needles if needle in path.read_bytes()] == []
    for name, machine in program.machines.items():
        assert containing(machine, needles) == [], name
        journal = machine.run(["journalctl", "--no-pager", "-o", "cat"]).stdout.encode()
        assert [needle for needle in needles if needle in journal] == [], name


@pytest.fixture
def as_alice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The benches use the registry as this user."""
    for name, value in zip(CREDENTIALS, ("alice", USERS["alice"]), strict=True):
        monkeypatch.setenv(name, value)


@pytest.mark.long
@pytest.mark.usefixtures("as_alice")
def test_the_conformance_suite_passes_as_without_passwords(closed: Closed) -> None:
    _, lost = conformance.run(closed.deployed.program.lab)
    assert lost == []


@pytest.mark.long
@pytest.mark.usefixtures("as_alice")
def test_no_image_behind_a_password_is_lost_while_the_pod_is_deleted(closed: Closed) -> None:
    done = run_load(closed.deployed.program.lab, seconds=20, clients=20, events=EVENTS[:1])
    assert done.is_good, [*done.report()]


def test_passwords_are_not_given_up_by_one_up(closed: Closed) -> None:
    program = closed.deployed.program
    refused = program.run("preview", expect=None)
    assert refused.status != 0
    assert "keep auth, set auth.anonymous to true" in refused.text


def test_no_pull_fails_while_passwords_are_switched_off(closed: Closed) -> None:
    program = closed.deployed.program
    with load(closed.deployed, closed.image) as pulling:
        program.up(config=with_auth(program, anonymous=True))
        program.up()
    assert pulling.failures == []
    assert min(pulling.pulls.values()) >= LEAST_PULLS, "the load must have been there"
    assert closed.answer() == "200"
    program.up("--expect-no-changes")
