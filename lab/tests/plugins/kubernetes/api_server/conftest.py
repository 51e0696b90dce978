"""One API server for all tests of the plugin; a namespace and a Pulumi stack for each."""

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.base_tree import tree_path
from lab.engine import Engine
from lab.tests.plugins.kubernetes.api_server.api import KubernetesApi, Pretender, running
from lab.tests.plugins.kubernetes.api_server.stack import Stack
from lab.tests.stand_ins import engine_with_stand_ins

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesApi]:
    tree = tree_path() / "usr/bin/etcd"
    etcd = str(tree) if tree.exists() else shutil.which("etcd")
    if etcd is None:
        pytest.skip("no etcd: it is not on PATH, and the machines' tree, which has one, is not made")
    with running(tmp_path_factory.mktemp("api"), etcd) as api:
        yield api


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return engine_with_stand_ins(tmp_path_factory.mktemp("engine"))


@pytest.fixture
def namespace() -> str:
    return f"t{next(_NUMBERS)}"


@pytest.fixture
def pretender(api: KubernetesApi, namespace: str) -> Iterator[Pretender]:
    with Pretender(api, namespace) as pretender:
        yield pretender


@pytest.fixture
def stack(api: KubernetesApi, engine: Engine, namespace: str, tmp_path: Path) -> Stack:
    provider = {"kubeconfig": str(api.kubeconfig), "cluster_identifier": "test"}
    stack = Stack(engine, namespace, tmp_path, provider)
    stack.resources["namespace"] = {"kind": "core.v1.Namespace", "args": {"metadata": {"name": namespace}}}
    return stack
