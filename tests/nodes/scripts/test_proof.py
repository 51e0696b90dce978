"""proof.sh against a strict registry over TLS, with a `k3s` that really pulls from it."""

import json
import shutil
import time
from pathlib import Path
from unittest.mock import ANY

import pytest

from components.nodes.script import PROOF
from lab import toolchain
from tests.nodes.scripts.node import Node, executable
from tests.nodes.scripts.proof_node import HOST, REPOSITORY, Bench, with_client


def test_the_first_node_pushes_and_pulls(bench: Bench) -> None:
    bench.serve()
    outcome = bench.run()
    assert outcome.stderr == ""
    assert outcome.answer == {"digest": bench.probe.digest, "pushed": True, "second": ANY}
    assert bench.probe.digest in bench.store.manifests


def test_the_distribution_projects_registry_accepts_and_serves_the_image(bench: Bench) -> None:
    bench.serve_by(toolchain.ensure(["registry"])["registry"])
    assert bench.run().answer == {"digest": bench.probe.digest, "pushed": True, "second": ANY}
    assert bench.run().answer == {"digest": bench.probe.digest, "pushed": False, "second": ANY}


def test_the_next_node_pushes_nothing(bench: Bench) -> None:
    bench.serve()
    bench.run()
    bench.store.requests.clear()
    assert bench.run().answer == {"digest": bench.probe.digest, "pushed": False, "second": ANY}
    assert not [request for request in bench.store.requests if request.startswith(("P", "DELETE"))]


def test_a_proof_says_when_it_was_made(bench: Bench) -> None:
    bench.serve()
    before = int(time.time())
    second = bench.run().answer["second"]
    assert isinstance(second, int)
    assert before <= second <= time.time()


def test_the_image_is_pulled_by_name_and_removed_again(curl_bench: Bench) -> None:
    port = curl_bench.serve()
    curl_bench.run()
    image = f"{HOST}:{port}/{REPOSITORY}@{curl_bench.probe.digest}"
    assert curl_bench.calls()[-2:] == [f"crictl pull {image}", f"crictl rmi {image}"]


@pytest.mark.parametrize("location", ["rooted", "absolute", "relative", "plain", "elsewhere"])
def test_every_form_of_upload_location_is_followed(bench: Bench, location: str) -> None:
    bench.store.location = location
    bench.serve()
    assert bench.run().answer["pushed"] is True


def test_two_nodes_at_once_end_well(curl_bench: Bench) -> None:
    curl_bench.serve()
    runs = [curl_bench.node.start() for _ in range(4)]
    outputs = [run.communicate(timeout=60) for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0, 0], outputs


def test_existing_blobs_are_not_sent_again(curl_bench: Bench) -> None:
    curl_bench.serve()
    curl_bench.run()
    curl_bench.store.manifests.clear()
    curl_bench.store.requests.clear()
    assert curl_bench.run().answer["pushed"] is True
    assert not [request for request in curl_bench.store.requests if request.startswith("POST")]


def test_a_registry_that_is_still_starting_is_waited_for(bench: Bench) -> None:
    bench.store.failures = 2
    bench.serve()
    assert bench.run().status == 0


def test_a_transient_failure_of_the_pull_is_tried_again(curl_bench: Bench) -> None:
    curl_bench.serve()
    curl_bench.behave(errors=["unexpected EOF", "503 Service Unavailable"])
    assert curl_bench.run().status == 0


def test_a_node_without_a_client_waits_for_another_to_push(bare: Bench, curl_node: Node) -> None:
    bare.serve()
    curl_node.settings |= bare.node.settings
    waiting = bare.node.start()
    with pytest.raises(Exception, match="timed out"):
        waiting.wait(1)
    assert curl_node.run().answer["pushed"] is True
    stdout, _ = waiting.communicate(timeout=30)
    assert json.loads(stdout) == {"digest": bare.probe.digest, "pushed": False, "second": ANY}


@pytest.fixture
def curl_node(tmp_path: Path, bare: Bench) -> Node:
    node = Node(bare.node.root, bare.node.shell, PROOF, {})
    with_client(node, tmp_path / "clients", "curl")
    return node


def test_wget_of_busybox_is_not_used_as_a_client(bare: Bench, tmp_path: Path) -> None:
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("busybox is not installed")
    (tmp_path / "clients").mkdir()
    (tmp_path / "clients/wget").symlink_to(busybox)
    bare.node.extra_path.append(tmp_path / "clients")
    bare.serve()
    assert "the registry must accept and serve the probe image" in bare.run(wait_seconds="2").sentence
    assert not [request for request in bare.store.requests if request.startswith("P")]


def test_nothing_stays_in_the_temporary_directory(bench: Bench) -> None:
    bench.serve()
    bench.run()
    assert list((bench.node.root / "tmp").iterdir()) == []


def test_no_command_line_contains_a_certificate(curl_bench: Bench, tmp_path: Path) -> None:
    curl_bench.serve()
    real = shutil.which("curl")
    log = tmp_path / "argv"
    (tmp_path / "clients/curl").unlink()
    executable(tmp_path / "clients/curl", f'#!/bin/sh\nprintf "%s\\n" "$@" >>"{log}"\nexec {real} "$@"\n')
    assert curl_bench.run().status == 0
    assert "CERTIFICATE" not in log.read_text()


def test_a_server_reports_the_nodes_of_its_cluster(curl_bench: Bench) -> None:
    curl_bench.serve()
    curl_bench.node.write("/var/lib/rancher/k3s/server/cred/admin.kubeconfig", "", 0o600)
    curl_bench.behave(node="cube01", nodes=',"cube01","cube02"')
    assert curl_bench.run().answer["cluster"] == ["cube01", "cube02"]


def test_a_server_whose_api_does_not_answer_reports_no_cluster(curl_bench: Bench) -> None:
    curl_bench.serve()
    curl_bench.node.write("/var/lib/rancher/k3s/server/cred/admin.kubeconfig", "", 0o600)
    assert "cluster" not in curl_bench.run().answer
