"""The restart of K3s where it cannot be avoided: when, with which conditions, and how a failed one is reverted."""

from lab.tests.waiting import wait_until
from tests.authority import Authority
from tests.nodes.scripts.node import CONFIG, Node, trust
from tests.nodes.scripts.services import ANEW, NOW, RENEWED, STALE, restarts, starts, states
from tests.nodes.scripts.stale_node import FAILURES, JOURNAL, NOTHING, ours, settle_and_converge


def test_nothing_is_restarted_where_containerd_reads_hosts_toml(stale: Node) -> None:
    stale.write(CONFIG, ANEW)
    assert stale.run("apply").status == 0
    assert restarts(stale) == []


def test_nothing_changes_without_a_serial_rollout(stale: Node) -> None:
    before = stale.tree(times=True)
    sentence = stale.run("apply", rollout="parallel").sentence
    assert f"no config_path in {CONFIG}" in sentence
    assert "set rollout: serial" in sentence
    assert stale.tree(times=True) == before


def test_one_restart_makes_containerd_read_hosts_toml(stale: Node) -> None:
    outcome = stale.run("apply")
    assert outcome.stderr == ""
    assert outcome.answer["what"] == ["ca", "hosts", "registries", "hosts.toml", "nodes", "restart"]
    expected = {True: "restart --no-block k3s-agent", False: "k3s-agent restart"}
    assert restarts(stale) == [expected[(stale.root / "run/systemd").exists()]]
    assert not list((stale.root / "run").glob("k3s-registry*"))
    settle_and_converge(stale)
    assert len(restarts(stale)) == 1


def test_a_heartbeat_from_the_second_of_the_start_counts(stale: Node) -> None:
    states(stale, f'echo "True $(date -u -r "$root{CONFIG}" +%Y-%m-%dT%H:%M:%SZ) {RENEWED}"')
    assert stale.run("apply").status == 0


def test_the_kubelets_credentials_ask_for_the_node(stale: Node) -> None:
    """The node's readiness is asked for under its name in Kubernetes, with the kubelet's own credentials."""
    stale.write("/etc/rancher/k3s/config.yaml", "node-name: other\n")
    assert stale.run("apply").status == 0
    asked = stale.read("/asked").decode()
    assert f"--kubeconfig {stale.root}/var/lib/rancher/k3s/agent/kubelet.kubeconfig" in asked
    assert "get -n kube-node-lease node/other lease/other " in asked


def test_a_restart_under_a_name_that_nobody_could_guess_is_a_good_one(stale: Node) -> None:
    stale.write("/etc/rancher/k3s/config.yaml", "node-name: CUBE01\nwith-node-id: true\n")
    states(
        stale,
        f"""case "$*" in
*" auth whoami "*) printf %s system:node:cube01-f02b9140 ;;
*" node/cube01-f02b9140 lease/cube01-f02b9140 "*) echo "True {NOW} {RENEWED}" ;;
*) exit 1 ;;
esac""",
    )
    assert stale.run("apply").status == 0
    assert len(restarts(stale)) == 1


def test_check_reports_that_a_restart_is_required(stale: Node) -> None:
    """It changes nothing."""
    before = stale.tree(times=True)
    assert stale.run("check").answer == {"drift": ["ca", "hosts", "registries", "hosts.toml", "nodes", "restart"]}
    assert stale.tree(times=True) == before


@FAILURES
def test_a_node_that_is_not_ready_in_time_gets_its_former_files(stale: Node, start: str, state: str, seen: str) -> None:
    before = ours(stale)
    starts(stale, start)
    states(stale, state)
    # Long enough for a service that does start, on a computer that is busy.
    sentence = stale.run("apply", ready_seconds="4").sentence
    assert "not ready within 4 s" in sentence
    assert seen in sentence
    assert "former files are back" in sentence
    assert ours(stale) == before
    assert len(restarts(stale)) == 2
    settle_and_converge(stale)


def test_files_of_an_earlier_apply_are_restored(stale: Node, second_authority: Authority) -> None:
    stale.run("apply")
    stale.write(CONFIG, STALE)
    before = ours(stale)
    starts(stale, NOTHING)
    new = {"address": "10.77.0.203", **trust(second_authority)}
    assert "former files" in stale.run("apply", ready_seconds="2", **new).sentence
    assert ours(stale) == before


def test_kept_files_are_readable_by_root_alone(stale: Node) -> None:
    starts(stale, NOTHING)
    run = stale.start("apply", ready_seconds="3")
    wait_until(lambda: restarts(stale), 30, "a restart")
    kept = stale.root / JOURNAL[1:]
    mode, secrets = kept.stat().st_mode & 0o777, [p.name for p in kept.iterdir() if b"hunter2" in p.read_bytes()]
    run.communicate(timeout=60)
    assert (mode, secrets) == (0o700, [])
