"""Fixtures of the node tests: shells, and a node that looks like K3s' below a temporary root."""

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from components.nodes.script import PROOF
from tests.authority import Authority, new_authority
from tests.nodes.scripts.debian_store import TOOL, furnish
from tests.nodes.scripts.node import Node, executable, plain_node
from tests.nodes.scripts.proof_node import HOST, REPOSITORY, Bench, new_probe, with_client
from tests.nodes.scripts.shells import Shell, create_shell
from tests.nodes.scripts.stale_node import stale_node

HERE = Path(__file__).parent
UNDER_BUSYBOX = frozenset({"test_trust.py", "test_proof.py", "test_registries.py", "test_scripts.py"})
"""Files that run under busybox among the quick tests too: the main path of each script. The others run there under dash
alone, and under busybox among the slow tests; what is awk's alone runs under every awk in each (test_awk.py).
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out GNU wget under busybox (Debian's uses its own, whatever PATH says), and mark what takes long there."""

    def chosen(item: pytest.Item, parameter: str) -> object:
        return getattr(getattr(item, "callspec", None), "params", {}).get(parameter)

    items[:] = [item for item in items if (chosen(item, "shell"), chosen(item, "bench")) != ("busybox", "wget")]
    for item in items:
        if item.path.parent == HERE and item.path.name not in UNDER_BUSYBOX and chosen(item, "shell") == "busybox":
            item.add_marker(pytest.mark.long)


@pytest.fixture(scope="session", params=["dash", "busybox"])
def shell(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    created = create_shell(request.param, tmp_path_factory.mktemp("tools") / "bin")
    if created is None:
        pytest.skip(f"{request.param} is not installed")
    return created


@pytest.fixture(scope="session")
def authority() -> Authority:
    return new_authority()


@pytest.fixture(scope="session")
def second_authority() -> Authority:
    return new_authority()


@pytest.fixture
def node(tmp_path: Path, shell: Shell, authority: Authority) -> Node:
    return plain_node(tmp_path / "root", shell, authority)


@pytest.fixture
def stale(node: Node) -> Node:
    return stale_node(node)


@pytest.fixture
def wrap(node: Node, tmp_path: Path) -> Callable[[str, str], None]:
    """Put a script before a tool on the node's PATH; `$real` in it is the tool itself."""

    def put(command: str, script: str) -> None:
        directory = tmp_path / "wrapped"
        real = node.shell.tools / command
        executable(directory / command, f"#!/bin/sh\nreal='{real}'\n{script}\n")
        node.extra_path[:] = [directory]

    return put


@pytest.fixture(scope="session")
def openssl() -> str:
    found = shutil.which("openssl")
    if found is None:
        pytest.skip("openssl is not installed")
    return found


@pytest.fixture
def debian(node: Node, openssl: str) -> Node:
    """A node with a system store of two foreign certificates and the machine's own tool."""
    if not Path(TOOL).exists():
        pytest.skip("needs Debian's update-ca-certificates")
    furnish(node, openssl)
    return node


@pytest.fixture
def bare(tmp_path: Path, shell: Shell, authority: Authority) -> Iterator[Bench]:
    """A bench whose node has no client to push with."""
    node = plain_node(tmp_path / "root", shell, authority)
    probe = new_probe()
    node.script = PROOF
    node.settings = {
        "node": "cube01",
        "hostname": HOST,
        "address": "127.0.0.1",
        "port": "1",
        "repository": REPOSITORY,
        "digest": probe.digest,
        "blobs": probe.blobs,
        "manifests": probe.manifests,
        "index": probe.index,
        "proof_revision": probe.revision,
        "authorities": authority.pem,
        "wait_seconds": "20",
        "service": "docker-registry/registry-service",
    }
    fake = Path(__file__).with_name("fake_k3s.py").read_text()
    executable(node.root / "usr/local/bin/k3s", f"#!{sys.executable}\n{fake}")
    bench = Bench(node, authority, probe)
    with bench.stack:
        yield bench


@pytest.fixture(params=["curl", "wget"])
def bench(bare: Bench, tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    with_client(bare.node, tmp_path / "clients", request.param)
    return bare


@pytest.fixture
def curl_bench(bare: Bench, tmp_path: Path) -> Bench:
    with_client(bare.node, tmp_path / "clients", "curl")
    return bare
