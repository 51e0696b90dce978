"""The restart of K3s where it cannot be avoided: when it happens, what it waits for, what comes back if it fails."""

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from tests.node.authority import Authority
from tests.node.node import CA_FILE, CERTS, CONFIG, HOSTS_TOML, REGISTRY, Node, Outcome, trust
from tests.node.services import ANEW, STALE, openrc, restartable, restarts, starts, states, systemd
from tests.waiting import wait_until

YAML = "/etc/rancher/k3s/registries.yaml"
TOML = f"{CERTS}/{REGISTRY}/hosts.toml"
FILES = (CA_FILE, "/etc/hosts", YAML, TOML)
JOURNAL = f"{CA_FILE}.restart"
LOCK = "run/k3s-registry.lock"
NOW = "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
NOTHING = ":"
RENDERS = f'cat "$root/anew" >"$root{CONFIG}"'
FAILURES = pytest.mark.parametrize(
    ("start", "state", "seen"),
    [
        ("exit 1", "exit 1", "not written anew"),
        (NOTHING, f'echo "True {NOW}"', "not written anew"),
        (f'cat "$root/stale" >"$root{CONFIG}"', f'echo "True {NOW}"', "no config_path"),
        (RENDERS, "exit 1", "no answer from the API server"),
        (RENDERS, f'echo "False {NOW}"', "Ready=False"),
        (RENDERS, 'echo "True 2026-01-01T00:00:00Z"', "Ready=True 2026-01-01T00:00:00Z"),
    ],
    ids=["fails", "hangs", "renders as before", "no API", "not ready", "no heartbeat"],
)


@pytest.fixture(params=["systemd", "openrc"])
def stale(node: Node, request: pytest.FixtureRequest) -> Node:
    """A node on which nothing but a restart of K3s makes containerd read what is ours."""
    restartable(node)
    node.write("/stale", STALE)
    node.write(YAML, "mirrors:\n  docker.io:\n    endpoint: [https://mirror]\n", 0o600)
    if request.param == "systemd":
        systemd(node)
        (node.root / "run/systemd/system").mkdir(parents=True)
    else:
        openrc(node)
    return node


def ours(node: Node) -> dict[str, object]:
    """What the program manages on the node, and its traces."""
    kept = {path.lstrip("/") for path in FILES}
    return {name: entry for name, entry in node.tree().items() if name in kept or "k3s-registry" in name}


def settled(node: Node) -> None:
    """Wait until nothing of the restart is under way."""
    wait_until(lambda: not (node.root / LOCK).is_symlink(), 30, "the lock is free")


def settle_and_converge(node: Node) -> None:
    """What a run that went wrong leaves to the next: K3s and the API server are well again."""
    settled(node)
    starts(node, RENDERS)
    states(node, f'echo "True {NOW}"')
    outcome = node.run("apply")
    assert (outcome.status, outcome.stderr) == (0, "")
    assert node.read(TOML) == HOSTS_TOML.encode()
    assert node.run("check").status == 0
    before = node.tree(times=True)
    assert node.run("apply").answer["changed"] is False
    assert node.tree(times=True) == before
    assert not (node.root / JOURNAL[1:]).exists()


def test_nothing_is_restarted_where_containerd_reads_the_folder(stale: Node) -> None:
    stale.write(CONFIG, ANEW)
    assert stale.run("apply").status == 0
    assert restarts(stale) == []


def test_nothing_is_touched_without_a_serial_rollout(stale: Node) -> None:
    before = stale.tree(times=True)
    sentence = stale.run("apply", rollout="parallel").sentence
    assert f"no config_path in {CONFIG}" in sentence
    assert "set rollout: serial" in sentence
    assert stale.tree(times=True) == before


def test_one_restart_makes_containerd_read_the_folder(stale: Node) -> None:
    outcome = stale.run("apply")
    assert outcome.stderr == ""
    assert outcome.answer["what"] == ["ca", "hosts", "registries", "hosts.toml", "nodes", "restart"]
    expected = {True: "restart --no-block k3s-agent", False: "k3s-agent restart"}
    assert restarts(stale) == [expected[(stale.root / "run/systemd").exists()]]
    assert not list((stale.root / "run").glob("k3s-registry*"))
    settle_and_converge(stale)
    assert len(restarts(stale)) == 1


def test_the_node_is_asked_for_under_its_own_name_by_the_kubelets_own_credentials(stale: Node) -> None:
    stale.write("/etc/rancher/k3s/config.yaml", "node-name: other\n")
    assert stale.run("apply").status == 0
    asked = stale.read("/asked").decode()
    assert f"--kubeconfig {stale.root}/var/lib/rancher/k3s/agent/kubelet.kubeconfig" in asked
    assert "get node other " in asked


def test_check_tells_that_a_restart_is_wanted_and_changes_nothing(stale: Node) -> None:
    before = stale.tree(times=True)
    assert stale.run("check").answer == {"drift": ["ca", "hosts", "registries", "hosts.toml", "nodes", "restart"]}
    assert stale.tree(times=True) == before


@FAILURES
def test_a_node_that_is_not_ready_in_time_has_its_former_files_back(
    stale: Node, start: str, state: str, seen: str
) -> None:
    before = ours(stale)
    starts(stale, start)
    states(stale, state)
    sentence = stale.run("apply", ready_seconds="2").sentence
    assert "not ready within 2 s" in sentence
    assert seen in sentence
    assert "former files are back" in sentence
    assert ours(stale) == before
    assert len(restarts(stale)) == 2
    settle_and_converge(stale)


def test_files_of_an_earlier_apply_come_back_as_they_were(stale: Node, second_authority: Authority) -> None:
    stale.run("apply")
    stale.write(CONFIG, STALE)
    before = ours(stale)
    starts(stale, NOTHING)
    new = {"address": "10.77.0.203", **trust(second_authority)}
    assert "former files" in stale.run("apply", ready_seconds="2", **new).sentence
    assert ours(stale) == before


def killed_during_the_restart(node: Node, ready_seconds: str) -> None:
    """The run is killed when the restart is under way."""
    run = node.start("apply", ready_seconds=ready_seconds)
    wait_until(lambda: restarts(node), 30, "a restart")
    run.kill()
    run.communicate(timeout=30)


@FAILURES
def test_the_former_files_come_back_without_the_run_that_began(stale: Node, start: str, state: str, seen: str) -> None:
    del seen
    before = ours(stale)
    starts(stale, start)
    states(stale, state)
    killed_during_the_restart(stale, "2")
    settled(stale)
    assert ours(stale) == before
    assert len(restarts(stale)) == 2
    settle_and_converge(stale)


def test_a_restart_ends_well_without_the_run_that_began(stale: Node) -> None:
    starts(stale, f"sleep 2; {RENDERS}")
    killed_during_the_restart(stale, "30")
    settled(stale)
    assert stale.read(TOML) == HOSTS_TOML.encode()
    settle_and_converge(stale)
    assert len(restarts(stale)) == 1


def test_a_second_run_waits_for_the_restart_and_finds_nothing_to_do(stale: Node) -> None:
    starts(stale, f"sleep 2; {RENDERS}")
    killed_during_the_restart(stale, "30")
    assert (stale.root / LOCK).is_symlink()
    second = stale.run("apply")
    assert second.answer["changed"] is False
    assert len(restarts(stale)) == 1


def test_a_second_run_that_waits_too_long_is_refused(stale: Node) -> None:
    starts(stale, NOTHING)
    first = stale.start("apply", ready_seconds="4")
    wait_until(lambda: restarts(stale), 30, "a restart")
    sentence = stale.run("apply", lock_seconds="1").sentence
    assert "one run at a time" in sentence
    stdout, stderr = first.communicate(timeout=60)
    assert "former files" in Outcome(first.returncode, stdout, stderr).sentence


def power_cut(node: Node) -> None:
    """Every process of the node dies when the restart has been asked for; what lay in /run is gone."""
    pid_file = node.root / "tmp/restarting"
    starts(node, f'echo $$ >"{pid_file}"; sleep 5; {RENDERS}')
    run = node.start("apply")
    wait_until(lambda: pid_file.exists() and pid_file.read_text().strip(), 30, "a restart")
    session = os.getsid(int(pid_file.read_text()))
    run.kill()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(int(entry.name)) == session:
                os.kill(int(entry.name), signal.SIGKILL)
    run.communicate(timeout=30)
    for path in (node.root / "run").glob("k3s-registry*"):
        path.unlink()


def test_the_next_run_finishes_what_a_power_cut_broke_off(stale: Node) -> None:
    power_cut(stale)
    assert (stale.root / JOURNAL[1:] / "saved").exists()
    # K3s came up by itself, with the new files.
    stale.write(CONFIG, ANEW)
    assert stale.run("check").answer == {"drift": ["restart"]}
    assert "cut short" in stale.run("apply", rollout="parallel").sentence
    settle_and_converge(stale)


def test_what_was_before_a_power_cut_comes_back_if_the_next_run_fails(stale: Node) -> None:
    before = ours(stale)
    power_cut(stale)
    starts(stale, NOTHING)
    assert "former files" in stale.run("apply", ready_seconds="2").sentence
    assert ours(stale) == before


def test_remove_after_a_power_cut_leaves_nothing(stale: Node) -> None:
    before = ours(stale)
    power_cut(stale)
    assert stale.run("remove").status == 0
    assert ours(stale) == before


def test_what_is_kept_for_the_way_back_is_roots_alone(stale: Node) -> None:
    starts(stale, NOTHING)
    run = stale.start("apply", ready_seconds="3")
    wait_until(lambda: restarts(stale), 30, "a restart")
    kept = stale.root / JOURNAL[1:]
    mode, secrets = kept.stat().st_mode & 0o777, [p.name for p in kept.iterdir() if b"hunter2" in p.read_bytes()]
    run.communicate(timeout=60)
    assert (mode, secrets) == (0o700, [])


def test_a_restart_takes_no_longer_than_it_must(stale: Node) -> None:
    started = time.monotonic()
    stale.run("apply")
    assert time.monotonic() - started < 10
