"""`python -m ops doctor` on the lab: each trouble is named by its check, with its remedy, and nothing is changed."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.deployment import STACK
from lab.host_keys import host_key_line
from lab.machines import Machine
from lab.settings import PROJECT

from .deployed import Deployed
from .node_files import differences, snapshot

pytestmark = pytest.mark.lab
CA_FILE = "/etc/rancher/k3s/k3s-registry-ca.crt"
REGISTRIES = "/etc/rancher/k3s/registries.yaml"
DEPLOYMENT = ("-n", "docker-registry", "deployment/registry")


def look(deployed: Deployed, status: int, *words: str) -> dict[str, Any]:
    """What the doctor says of each node; fails the test if its exit status is another one."""
    program = deployed.program
    command = program.lab.in_lan(sys.executable, "-m", "ops", "doctor", "--stack", STACK, "--json", *words)
    done = subprocess.run(
        command, cwd=PROJECT, env=program.engine.environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stdout + done.stderr
    return {node["name"]: node for node in json.loads(done.stdout)["nodes"]}


@contextmanager
def changed(machine: Machine, path: str, change: Callable[[str], str | None]) -> Iterator[None]:
    """A file of a machine is another one, or missing, as long as the block runs."""
    file = machine.path(path)
    before, after = file.read_text(), change(file.read_text())
    # In place: owner, mode and links stay.
    aside = file.with_name(f"{file.name}.aside")
    if after is None:
        file.rename(aside)
    else:
        file.write_text(after)
    try:
        yield
    finally:
        if after is None:
            aside.rename(file)
        else:
            file.write_text(before)


def test_on_good_nodes_all_is_good_and_nothing_changes(deployed: Deployed) -> None:
    deployed.program.restore()
    before = {name: snapshot(machine) for name, machine in deployed.program.machines.items()}
    nodes = look(deployed, 0)
    assert {check["outcome"] for node in nodes.values() for check in node["checks"].values()} == {"ok"}
    assert set(nodes) == set(before)
    for name, machine in deployed.program.machines.items():
        assert differences(before[name], snapshot(machine)) == []


def test_every_node_has_its_own_first_trouble(deployed: Deployed) -> None:
    deployed.program.restore()
    machines = deployed.program.machines
    toml = f"{machines['cube01'].kind.data_dir}/agent/etc/containerd/certs.d/registry.cube.local:5000/hosts.toml"
    with ExitStack() as stack:
        stack.enter_context(changed(machines["control01"], REGISTRIES, lambda _: "mirrors:\n"))
        stack.enter_context(changed(machines["cube01"], toml, lambda _: None))
        stack.enter_context(changed(machines["cube02"], CA_FILE, lambda text: text.replace("A", "B")))
        stack.enter_context(changed(machines["cube02"], "/etc/hosts", lambda _: "127.0.0.1 localhost\n"))
        nodes = look(deployed, 1)
    assert {name: node["problem"] for name, node in nodes.items()} == {
        "control01": "registries",
        "cube01": "hostsToml",
        "cube02": "ca",
    }
    assert (
        nodes["cube01"]["sentence"]
        == f"found no {toml}; every node must have it; put it back: pulumi up -c audit=again"
    )
    assert nodes["cube02"]["checks"]["name"]["sentence"].startswith("the name registry.cube.local does not resolve; ")


@pytest.mark.long
def test_an_audit_mends_what_it_finds(deployed: Deployed) -> None:
    program = deployed.program
    program.restore()
    program.machines["cube02"].write("/etc/hosts", "127.0.0.1 localhost\n")
    program.machines["control01"].path(CA_FILE).unlink()
    found = {name: node["problem"] for name, node in look(deployed, 1).items()}
    assert found == {"control01": "ca", "cube01": None, "cube02": "hosts"}
    program.up(config=program.configuration(lambda keys: keys.update(audit="after the doctor")))
    assert {node["problem"] for node in look(deployed, 0).values()} == {None}


@contextmanager
def host_key_changed(deployed: Deployed) -> Iterator[None]:
    machine = deployed.program.machines["cube02"]
    machine.run(["cp", "-a", "/etc/ssh", "/root/ssh"])
    machine.run(["sh", "-c", "cd /etc/ssh && rm ssh_host_*; ssh-keygen -q -t ed25519 -N '' -f ssh_host_ed25519_key"])
    machine.run(["systemctl", "restart", "ssh"])
    try:
        yield
    finally:
        machine.run(["sh", "-c", "cp -a /root/ssh/. /etc/ssh/ && rm -r /root/ssh && systemctl restart ssh"])


@contextmanager
def sshd_stopped(deployed: Deployed) -> Iterator[None]:
    machine = deployed.program.machines["cube02"]
    machine.run(["systemctl", "stop", "ssh"])
    try:
        yield
    finally:
        machine.run(["systemctl", "start", "ssh"])


@contextmanager
def k3s_stopped(deployed: Deployed) -> Iterator[None]:
    machine = deployed.program.machines["cube02"]
    machine.run(["systemctl", "stop", "k3s-agent"])
    try:
        yield
    finally:
        machine.run(["systemctl", "start", "k3s-agent"])
        deployed.wait_for_nodes()


@contextmanager
def clock_wrong(deployed: Deployed) -> Iterator[None]:
    # The machines of a lab have their computer's clock; so the node's own `date` says otherwise.
    file = deployed.program.machines["cube02"].path("/usr/local/bin/date")
    file.write_text('#!/bin/sh\nexec /bin/date -d "-1 hour" "$@"\n')
    file.chmod(0o755)
    try:
        yield
    finally:
        file.unlink()


@contextmanager
def name_leads_elsewhere(deployed: Deployed) -> Iterator[None]:
    with changed(
        deployed.program.machines["cube02"], "/etc/hosts", lambda text: text.replace("10.77.0.202", "10.77.0.11")
    ):
        yield


TROUBLES: dict[str, tuple[Callable[[Deployed], Any], str, str]] = {
    "host key": (host_key_changed, "hostKey", "but the server offers SHA256:"),
    "sshd": (sshd_stopped, "reachable", "nothing listens at that port"),
    "K3s": (k3s_stopped, "k3s", "containerd does not answer; K3s must run; "),
    "clock": (clock_wrong, "clock", "clocks must agree; set the clock of this node"),
    "hosts": (name_leads_elsewhere, "hosts", "/etc/hosts"),
}


@pytest.mark.long
@pytest.mark.parametrize("trouble", TROUBLES)
def test_one_trouble_of_one_node_is_named(deployed: Deployed, trouble: str) -> None:
    deployed.program.restore()
    bring_about, check, words = TROUBLES[trouble]
    with bring_about(deployed):
        nodes = look(deployed, 1)
    assert {name: node["problem"] for name, node in nodes.items()} == {
        "control01": None,
        "cube01": None,
        "cube02": check,
    }
    assert words in nodes["cube02"]["sentence"]


@pytest.mark.long
def test_a_registry_that_does_not_run_is_no_route(deployed: Deployed) -> None:
    program = deployed.program
    program.restore()
    program.kubectl("scale", *DEPLOYMENT, "--replicas=0")
    try:
        program.kubectl("-n", "docker-registry", "wait", "--for=delete", "pod", "--all", "--timeout=60s")
        nodes = look(deployed, 1)
    finally:
        program.kubectl("scale", *DEPLOYMENT, "--replicas=1")
        program.kubectl("rollout", "status", *DEPLOYMENT, "--timeout=60s")
    assert {node["problem"] for node in nodes.values()} == {"route"}
    assert {node["checks"]["pull"]["outcome"] for node in nodes.values()} == {"skipped"}


@pytest.mark.long
def test_a_registry_of_others_is_reached_through_a_jump_host(deployed: Deployed, tmp_path: Path) -> None:
    """OpenSSH's own configuration alone says how nodes are reached: names, users, keys, jump hosts."""
    program = deployed.program
    program.restore()
    places = [machine.place for machine in program.machines.values()]
    keys = [f"{place.address} {host_key_line(place)}\n" for place in places]
    (tmp_path / "known_hosts").write_text("".join(keys))
    (tmp_path / "config").write_text(
        "Host first\n HostName 10.77.0.11\n User pi\nHost second\n HostName 10.77.0.13\n User root\n ProxyJump first\n"
        f"Host *\n UserKnownHostsFile {tmp_path}/known_hosts\n"
    )
    # OpenSSH looks for its configuration in the home that the system has for the user, whatever HOME says.
    (tmp_path / "ssh").write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {tmp_path}/config "$@"\n')
    (tmp_path / "ssh").chmod(0o755)
    ask = ["env", f"PATH={tmp_path}:/usr/bin:/bin", sys.executable, "-m", "ops", "doctor", "--json"]
    ask += ["--nodes", "first,second", "--host"]

    def said(status: int, *registry: str) -> list[dict[str, Any]]:
        done = subprocess.run(
            program.lab.in_lan(*ask, *registry),
            cwd=PROJECT,
            env=program.engine.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        nodes = json.loads(done.stdout)["nodes"]
        assert [node["name"] for node in nodes] == ["first", "second"]
        return list(nodes)

    assert {node["checks"]["pull"]["outcome"] for node in said(0, "registry.cube.local")} == {"ok"}
    # The API server, which has a certificate of another authority.
    assert {node["problem"] for node in said(1, "10.77.0.11", "--port", "6443")} == {"tls"}
