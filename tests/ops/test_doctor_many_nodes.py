"""A hundred nodes by the real client: pretend nodes answer, so that only this computer's part is measured."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.pretend_nodes import address
from components.config.nodes import Node, Ssh
from ops.doctor.ask import Patience, ask_all
from ops.doctor.targets import Asked, Target

PROJECT = Path(__file__).parents[2]
COUNT = 100
SECONDS = 10
SETTINGS = dict.fromkeys(("hostname", "port", "authorities"), "x")


@pytest.fixture(scope="module")
def pretend() -> Iterator[dict[str, Any]]:
    """The port and the host key of a hundred servers, each of which needs a second for its checks."""
    command = [sys.executable, "-m", "bench.pretend_nodes", str(COUNT), "1"]
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        yield json.loads(server.stdout.readline())
        server.stdin.close()


@pytest.mark.long
def test_a_hundred_nodes_answer_within_ten_seconds(pretend: dict[str, Any]) -> None:
    ssh = Ssh(port=pretend["port"])
    nodes = [
        Node(name=f"node{i}", host=address(i), host_key=pretend["hostKey"], ssh=ssh, offline=False)
        for i in range(COUNT)
    ]
    asked = Asked(registry="r:1", targets=tuple(Target(name=n.name, node=n, settings=SETTINGS) for n in nodes))
    begin = time.monotonic()
    findings = asyncio.run(ask_all(asked, Patience(seconds=30, at_once=asked.at_once)))
    took = time.monotonic() - begin
    assert [finding.problem for finding in findings] == [None] * COUNT
    assert took < SECONDS
