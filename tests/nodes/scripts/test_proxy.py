"""A containerd that asks a proxy for the registry: by its own environment, before a node changes and after a pull."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.nodes.scripts.node import Node, dash_only
from tests.nodes.scripts.proof_node import HOST, Bench
from tests.nodes.scripts.services import restartable, restarts, running
from tests.nodes.scripts.shells import Shell

DATA = "/var/lib/rancher/k3s"
PROGRAM = Path(__file__).parents[3] / "components/nodes/scripts/proxy.awk"
PROXY = "HTTPS_PROXY=http://10.0.0.1:3128"


def asked(shell: Shell, *environment: str, host: str = HOST, port: str = "5000") -> str:
    """The proxy that is asked in an environment."""
    done = subprocess.run(
        [shell.tools / "awk", "-v", f"host={host}", "-v", f"port={port}", "-f", PROGRAM],
        input="".join(f"{line}\n" for line in environment),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.strip()


def started_with(node: Node, *environment: str, data: str = DATA) -> None:
    """Have K3s's containerd run with an environment."""
    running(node, data)
    node.write("/proc/100/environ", "".join(f"{line}\0" for line in environment))
    node.write("/proc/101/cmdline", f"vi\0{data}/agent/etc/containerd/config.toml\0")
    node.write("/proc/101/environ", "HTTPS_PROXY=http://not.asked\0")
    node.write("/proc/10/cmdline", f"{data}/data/current/bin/containerd-shim-runc-v2\0-id\0a\0")
    node.write("/proc/10/environ", "HTTPS_PROXY=http://not.asked\0")


@pytest.mark.parametrize(
    ("environment", "proxy"),
    [
        ([], ""),
        (["PATH=/bin", "HTTPS_PROXY="], ""),
        (["HTTP_PROXY=http://10.0.0.1:3128"], ""),
        (["ALL_PROXY=http://10.0.0.1:3128"], ""),
        ([PROXY], "http://10.0.0.1:3128"),
        (["https_proxy=10.0.0.1:3128"], "10.0.0.1:3128"),
        (["HTTPS_PROXY=http://me:p@ss=word@10.0.0.1:3128"], "http://10.0.0.1:3128"),
        (["HTTPS_PROXY=me:pass@10.0.0.1:3128"], "10.0.0.1:3128"),
    ],
)
def test_the_proxy_is_the_one_that_go_takes_and_shows_no_password(
    shell: Shell, environment: list[str], proxy: str
) -> None:
    assert asked(shell, *environment) == proxy


@pytest.mark.parametrize(
    "entries",
    [
        "registry.cube.local",
        "localhost, Registry.Cube.Local ",
        "registry.cube.local:5000",
        "cube.local",
        ".cube.local",
        "*.cube.local",
        ".local:5000",
        "*",
        "10.0.0.0/8,*,",
    ],
)
def test_an_entry_of_no_proxy_covers_the_name(shell: Shell, entries: str) -> None:
    assert asked(shell, PROXY, f"NO_PROXY={entries}") == ""
    assert asked(shell, PROXY, f"no_proxy={entries}") == ""


@pytest.mark.parametrize(
    "entries",
    [
        "",
        ",",
        "0.0.0.0/0",
        "10.0.0.0/8,10.77.0.202",
        "registry",
        "ube.local",
        "registry.cube.local:5001",
        ".registry.cube.local",
        "*.registry.cube.local",
        "my-registry.cube.local",
        "registry.cube.local.",
        "*cube.local",
    ],
)
def test_an_entry_of_no_proxy_does_not_cover_the_name(shell: Shell, entries: str) -> None:
    assert asked(shell, PROXY, f"NO_PROXY={entries}") == "http://10.0.0.1:3128"


@pytest.mark.parametrize(
    "error",
    [
        'Head "https://registry.cube.local:5000/v2/x": proxyconnect tcp: dial tcp 10.0.0.1:3128: connection refused',
        'Head "https://registry.cube.local:5000/v2/x": Proxy Authentication Required',
        'Head "https://registry.cube.local:5000/v2/x": socks connect tcp 10.0.0.1:1080->registry:5000: no route',
    ],
    ids=["refused", "password", "socks"],
)
def test_a_proxy_in_the_words_of_containerd_is_named(curl_bench: Bench, error: str) -> None:
    curl_bench.serve()
    curl_bench.behave(errors=[error] * 50)
    said = curl_bench.run(wait_seconds="60").sentence
    assert "containerd asks a proxy for registry.cube.local" in said
    assert "add registry.cube.local to NO_PROXY" in said
    assert "is closed" not in said


@pytest.mark.parametrize("data", [DATA, "/mnt/k3s"])
@pytest.mark.parametrize(
    "error",
    [
        "unexpected status from HEAD request to https://registry.cube.local:5000/v2/x: 403 Forbidden",
        "failed to verify certificate: x509: certificate signed by unknown authority",
        'Head "https://registry.cube.local:5000/v2/x": Forbidden',
        "encountered unknown type text/html, children may not be fetched",
    ],
    ids=["status", "certificate", "words", "page"],
)
def test_a_proxy_that_does_not_show_itself_is_named(curl_bench: Bench, data: str, error: str) -> None:
    curl_bench.serve()
    started_with(curl_bench.node, "HTTPS_PROXY=http://me:secret@10.0.0.1:3128", "NO_PROXY=10.0.0.0/8", data=data)
    curl_bench.node.write(f"{data}/agent/etc/containerd/config.toml", "")
    curl_bench.behave(errors=[error] * 50)
    said = curl_bench.run(wait_seconds="60").sentence
    assert "containerd asks http://10.0.0.1:3128 for registry.cube.local: " in said
    assert "secret" not in said


@dash_only
def test_a_proxy_that_is_not_asked_for_the_registry_is_not_named(curl_bench: Bench) -> None:
    curl_bench.serve()
    started_with(curl_bench.node, PROXY, "NO_PROXY=.cube.local")
    curl_bench.behave(errors=["something"] * 50)
    assert "the pull failed" in curl_bench.run(wait_seconds="6").sentence


@dash_only
def test_a_proxy_through_which_the_pull_works_does_no_harm(curl_bench: Bench) -> None:
    curl_bench.serve()
    started_with(curl_bench.node, PROXY)
    assert curl_bench.run().answer["digest"] == curl_bench.probe.digest


@dash_only
def test_a_full_disk_is_not_blamed_on_a_proxy(curl_bench: Bench) -> None:
    curl_bench.serve()
    started_with(curl_bench.node, PROXY)
    curl_bench.behave(errors=["write /var/lib/x: no space left on device"] * 50)
    assert "the disk of" in curl_bench.run(wait_seconds="60").sentence


def test_a_node_whose_containerd_asks_a_proxy_is_refused_before_anything_changes(node: Node) -> None:
    started_with(node, "HTTPS_PROXY=http://me:secret@10.0.0.1:3128", "NO_PROXY=localhost,10.0.0.0/8")
    before = node.tree(times=True)
    said = node.run("apply").sentence
    assert said.startswith(f"node cube01: containerd asks http://10.0.0.1:3128 for {HOST}; it must ask 10.77.0.202 ")
    assert f"add {HOST} to NO_PROXY" in said
    assert "restart K3s" in said
    assert "secret" not in said
    assert node.tree(times=True) == before


@pytest.mark.parametrize(
    "environment", [(), ("HTTP_PROXY=http://10.0.0.1:3128",), (PROXY, "NO_PROXY=.cube.local")], ids=str
)
def test_a_node_that_asks_no_proxy_for_the_registry_is_configured(node: Node, environment: tuple[str, ...]) -> None:
    started_with(node, *environment)
    assert node.run("apply").status == 0


def test_a_node_on_which_no_containerd_runs_is_configured(node: Node) -> None:
    started_with(node, PROXY, data="/in/a/container")
    assert node.run("apply").status == 0


def test_a_restart_does_not_clear_a_proxy_so_none_is_tried(node: Node) -> None:
    restartable(node)
    started_with(node, PROXY)
    assert "containerd asks http://10.0.0.1:3128" in node.run("apply").sentence
    assert restarts(node) == []


def test_a_proxy_is_no_drift_and_hinders_no_removal(node: Node) -> None:
    before = node.tree()
    assert node.run("apply").status == 0
    started_with(node, PROXY)
    assert node.run("check").status == 0
    assert node.run("remove").status == 0
    shutil.rmtree(node.root / "proc")
    assert node.tree() == before
