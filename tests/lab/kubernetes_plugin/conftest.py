"""One API server for all tests of the plugin; a namespace and a Pulumi stack for each."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.kubernetes_plugin.api import KubernetesApi, Pretender, running
from tests.lab.kubernetes_plugin.stack import Stack

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesApi]:
    with running(tmp_path_factory.mktemp("api")) as api:
        yield api


@pytest.fixture
def namespace() -> str:
    return f"t{next(_NUMBERS)}"


@pytest.fixture
def pretender(api: KubernetesApi, namespace: str) -> Iterator[Pretender]:
    with Pretender(api, namespace) as pretender:
        yield pretender


@pytest.fixture
def stack(api: KubernetesApi, namespace: str, tmp_path: Path) -> Stack:
    stack = Stack(tmp_path, {"kubeconfig": str(api.kubeconfig), "cluster_identifier": "test"})
    stack.resources["namespace"] = {"kind": "core.v1.Namespace", "args": {"metadata": {"name": namespace}}}
    return stack
