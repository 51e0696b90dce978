"""Where K3s is on a node, by each form of its service, and that our files are written there."""

from collections.abc import Callable, Sequence

import pytest

from tests.nodes.scripts.node import CERTS, CONFIG, HOSTS_TOML, REGISTRIES_YAML, REGISTRY, Node
from tests.nodes.scripts.services import ANEW, openrc, systemd

Install = Callable[..., None]
INSTALLS = pytest.mark.parametrize("install", [systemd, openrc])
ELSEWHERE = "/mnt/big disk/k3s"


def moved(node: Node, data: str = ELSEWHERE) -> str:
    """K3s's data elsewhere, and nothing at the usual place; the directory of hosts.toml files."""
    (node.root / CONFIG[1:]).unlink()
    certs = f"{data}/agent/etc/containerd/certs.d"
    node.write(f"{data}/agent/etc/containerd/config.toml", ANEW.replace(CERTS, certs))
    return certs


def assert_followed(node: Node, certs: str) -> None:
    outcome = node.run("apply")
    assert (outcome.status, outcome.stderr) == (0, "")
    assert node.read(f"{certs}/{REGISTRY}/hosts.toml") == HOSTS_TOML.encode()
    assert node.run("apply").answer["changed"] is False
    assert node.run("check").status == 0
    node.run("remove")
    assert not (node.root / certs[1:] / REGISTRY).exists()


def assert_refused(node: Node, *expected: str, **changes: str) -> None:
    before = node.tree(times=True)
    sentence = node.run("apply", **changes).sentence
    assert [part for part in expected if part not in sentence] == [], sentence
    assert node.tree(times=True) == before


@INSTALLS
@pytest.mark.parametrize(
    "flags",
    [("--data-dir", ELSEWHERE), (f"--data-dir={ELSEWHERE}",), ("-d", ELSEWHERE), (f"-d={ELSEWHERE}",)],
    ids=["two words", "one word", "short", "short, one word"],
)
def test_a_data_dir_on_the_command_line_is_followed(node: Node, install: Install, flags: Sequence[str]) -> None:
    install(node, flags=("--node-label", "a=b", *flags, "--debug"))
    assert_followed(node, moved(node))


def test_a_command_line_on_one_line_in_double_quotes_is_understood(node: Node) -> None:
    node.write(
        "/etc/systemd/system/k3s.service",
        f'[Service]\nExecStart=-/usr/local/bin/k3s server "--data-dir" "{ELSEWHERE}" --disable=traefik\n',
    )
    assert_followed(node, moved(node))


def test_a_drop_in_of_the_unit_wins_over_the_unit(node: Node) -> None:
    systemd(node, flags=("--data-dir", "/mnt/old"))
    node.write(
        "/etc/systemd/system/k3s-agent.service.d/10-data.conf",
        "[Service]\nExecStart=\n# why\nExecStart=/usr/local/bin/k3s agent \\\n  # the SSD\n  --data-dir /mnt/new\n",
    )
    assert_followed(node, moved(node, "/mnt/new"))


def test_a_flag_wins_over_the_configuration_and_that_over_the_environment(node: Node) -> None:
    node.write("/etc/rancher/k3s/config.yaml", "data-dir: /mnt/configured\n")
    systemd(node)
    node.write("/etc/systemd/system/k3s-agent.service.env", "K3S_DATA_DIR='/mnt/environment'\n")
    certs = moved(node, "/mnt/configured")
    assert_followed(node, certs)
    systemd(node, flags=("--data-dir", "/mnt/flag"))
    node.write("/mnt/flag/agent/etc/containerd/config.toml", ANEW.replace(CERTS, "/mnt/flag/certs.d"))
    assert_followed(node, "/mnt/flag/certs.d")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/etc/systemd/system/k3s-agent.service.env", f"K3S_TOKEN='x'\nK3S_DATA_DIR='{ELSEWHERE}'\n"),
        ("/etc/default/k3s-agent", f'K3S_DATA_DIR="{ELSEWHERE}"\n'),
        ("/etc/systemd/system/k3s-agent.service.d/data.conf", f'Environment=A=b "K3S_DATA_DIR={ELSEWHERE}"\n'),
    ],
    ids=["installer", "default", "drop-in"],
)
def test_a_data_dir_in_the_environment_of_the_unit_is_followed(node: Node, path: str, text: str) -> None:
    systemd(node)
    node.write(path, text)
    assert_followed(node, moved(node))


def test_a_data_dir_in_the_environment_of_openrc_is_followed(node: Node) -> None:
    openrc(node)
    node.write("/etc/rancher/k3s/k3s-agent.env", f"K3S_DATA_DIR='{ELSEWHERE}'\n")
    assert_followed(node, moved(node))


@INSTALLS
@pytest.mark.parametrize("flag", ["--config", "-c"])
def test_a_configuration_elsewhere_is_read_with_its_directory(node: Node, install: Install, flag: str) -> None:
    install(node, flags=(flag, "/srv/k3s.yaml"))
    node.write("/etc/rancher/k3s/config.yaml", "data-dir: /mnt/unread\n")
    node.write("/srv/k3s.yaml", "data-dir: /mnt/first\n")
    node.write("/srv/k3s.yaml.d/10.yaml", "data-dir: /mnt/second\n")
    assert_followed(node, moved(node, "/mnt/second"))


@INSTALLS
def test_a_unit_of_another_name_is_found(node: Node, install: Install) -> None:
    install(node, name="k3s-blue", flags=("--data-dir", ELSEWHERE))
    assert_followed(node, moved(node))


def test_of_two_units_the_one_that_runs_counts(node: Node) -> None:
    systemd(node, name="k3s-agent", flags=("--data-dir", "/mnt/former"))
    systemd(node, name="k3s-blue", flags=("--data-dir", ELSEWHERE))
    node.write("/usr/sbin/systemctl", '#!/bin/sh\n[ "$3" = k3s-blue ]\n', 0o755)
    assert_followed(node, moved(node))


def test_other_services_with_such_a_name_are_no_k3s(node: Node) -> None:
    node.write("/etc/systemd/system/k3s-backup.service", f"[Service]\nExecStart=/opt/backup --data-dir {ELSEWHERE}\n")
    assert_followed(node, CERTS)


@INSTALLS
@pytest.mark.parametrize("key", ["flag", "configuration"])
def test_entries_go_into_the_registries_file_that_k3s_reads(node: Node, install: Install, key: str) -> None:
    path = "/srv/registries of ours.yaml"
    install(node, flags=("--private-registry", path) if key == "flag" else ())
    if key == "configuration":
        node.write("/etc/rancher/k3s/config.yaml", f"private-registry: {path}\n")
    before = node.tree()
    assert node.run("apply").status == 0
    assert node.read(path) == REGISTRIES_YAML.encode()
    assert not (node.root / "etc/rancher/k3s/registries.yaml").exists()
    node.run("remove")
    assert node.tree() == before


def test_a_refused_registries_file_is_named_where_it_is(node: Node) -> None:
    systemd(node, flags=("--private-registry=/srv/registries.yaml",))
    node.write("/srv/registries.yaml", "mirrors: {}\n")
    assert_refused(node, "line 1 of /srv/registries.yaml")
    node.write("/srv/registries.yaml", b"\xff\n")
    assert_refused(node, "line 1 of /srv/registries.yaml")


@INSTALLS
@pytest.mark.parametrize(
    ("flags", "runtime"),
    [
        (("--docker",), "docker"),
        (("--docker=true",), "docker"),
        (("--docker", "--debug"), "docker"),
        (("--container-runtime-endpoint", "unix:///run/crio.sock"), "unix:///run/crio.sock"),
        (("--container-runtime-endpoint=/run/crio.sock",), "/run/crio.sock"),
    ],
)
def test_another_container_runtime_is_refused(node: Node, install: Install, flags: Sequence[str], runtime: str) -> None:
    install(node, flags=flags)
    assert_refused(node, f"container runtime '{runtime}'", "service k3s-agent")


def test_a_label_named_like_a_flag_is_not_a_flag(node: Node) -> None:
    systemd(node, flags=("--node-label", "docker=true", "--node-label=data-dir=/mnt/x"))
    assert_followed(node, CERTS)


def test_a_runtime_that_is_switched_off_is_accepted(node: Node) -> None:
    systemd(node, flags=("--docker=false",))
    assert node.run("apply").status == 0


@INSTALLS
def test_a_role_that_is_not_the_configured_one_is_refused(node: Node, install: Install) -> None:
    install(node, name="k3s", command="server")
    assert_refused(node, "K3s as server", "service k3s", "nodes.cube01.role", role="agent")
    assert node.run("apply", role="server").status == 0


def test_a_service_without_a_command_of_k3s_counts_by_its_name(node: Node) -> None:
    node.write("/etc/systemd/system/k3s.service", "[Service]\nExecStart=/opt/start-k3s\n")
    assert_refused(node, "K3s as server", role="agent")
