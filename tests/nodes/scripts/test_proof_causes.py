"""The sentence of proof.sh when the pull fails: node, cause and remedy."""

import datetime as dt
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import toolchain
from lab.tests.ports import closed_port
from tests.authority import DAY, NOW, Authority
from tests.nodes.scripts.node import CA_FILE, CERTS, dash_only, executable
from tests.nodes.scripts.proof_node import FULL, HOST, Bench


def assert_sentence(bench: Bench, *expected: str, **changes: str) -> None:
    text = bench.run(**({"wait_seconds": "1"} | changes)).sentence
    assert text.startswith("node cube01: ")
    for part in expected:
        assert part in text


@pytest.fixture
def port() -> Iterator[int]:
    """A port that refuses connections."""
    with closed_port() as found:
        yield found


def test_a_closed_port_is_named(bench: Bench, port: int) -> None:
    bench.point_at(port)
    bench.behave(service="127.0.0.1")
    assert_sentence(bench, f"port {port} of 127.0.0.1 is closed")


def test_a_closed_port_is_named_when_the_api_server_does_not_answer_either(bench: Bench, port: int) -> None:
    bench.point_at(port)
    assert_sentence(bench, f"port {port} of 127.0.0.1 is closed")


def test_another_address_of_the_load_balancer_is_named(curl_bench: Bench, port: int) -> None:
    curl_bench.point_at(port)
    curl_bench.behave(service="10.77.0.210")
    assert_sentence(
        curl_bench, "the load balancer gave service docker-registry/registry-service the address 10.77.0.210"
    )


def test_a_load_balancer_that_gave_no_address_is_named(curl_bench: Bench, port: int) -> None:
    curl_bench.point_at(port)
    curl_bench.behave(service="")
    assert_sentence(curl_bench, "the load balancer gave no address")


OUTSIDE = "x509: certificate has expired or is not yet valid: current time"
OWNERS = (
    "docker-registry/registry-service {requested}, , 5000\n"
    "web/shop , 127.0.0.1, 80 443\n"
    "other/registry , 127.0.0.1, 5000\n"
    "far/away , 127.0.0.11, 5000\n"
)


@pytest.mark.parametrize("given", ["", "10.77.0.210"])
def test_a_service_that_has_the_address_is_named(curl_bench: Bench, port: int, given: str) -> None:
    curl_bench.point_at(port)
    services = OWNERS.format(requested="127.0.0.1").replace(" 5000", f" {port}")
    curl_bench.behave(service=given, services=services)
    assert_sentence(curl_bench, "gave 127.0.0.1 to service web/shop other/registry; ")


def test_services_of_other_ports_may_share_the_address_of_a_node(curl_bench: Bench, port: int) -> None:
    """K3s's own load balancer gives every Service the addresses of the nodes, and is asked for none."""
    curl_bench.point_at(port)
    curl_bench.behave(service="", services=OWNERS.format(requested="").replace(" 5000", f" {port}"))
    assert_sentence(curl_bench, "gave 127.0.0.1 to service other/registry; ")
    curl_bench.behave(service="", services=OWNERS.format(requested=""))
    assert_sentence(curl_bench, "the load balancer gave no address")


def test_the_node_asks_as_kubelet_which_address_was_given(curl_bench: Bench, port: int) -> None:
    curl_bench.point_at(port)
    curl_bench.behave(service="")
    curl_bench.run(wait_seconds="1")
    kubeconfig = curl_bench.node.root / "var/lib/rancher/k3s/agent/kubelet.kubeconfig"
    [one, all_of_them] = curl_bench.calls()[-2:]
    assert f"--kubeconfig {kubeconfig} " in one
    assert "get service -n docker-registry registry-service" in one
    assert f"--kubeconfig {kubeconfig} " in all_of_them
    assert "get services -A" in all_of_them


@dash_only
def test_an_address_that_does_not_answer_is_named(curl_bench: Bench) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)  # noqa: FBT003  # the standard library's signature
            filler.connect_ex(silent.getsockname())
        curl_bench.point_at(silent.getsockname()[1])
        assert_sentence(curl_bench, "127.0.0.1 does not answer on port", wait_seconds="1")
        for filler in fillers:
            filler.close()


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(NOW - 2 * DAY, NOW - DAY, "has expired"), (NOW + DAY, NOW + 2 * DAY, "is not yet valid")],
    ids=["expired", "future"],
)
def test_a_certificate_outside_its_validity_is_named(
    bench: Bench, start: dt.datetime, end: dt.datetime, expected: str
) -> None:
    bench.serve(bench.authority.server(names=(HOST,), start=start, end=end))
    assert_sentence(bench, expected, "clock")


def test_a_certificate_of_another_authority_is_named(bench: Bench, second_authority: Authority) -> None:
    bench.serve(second_authority.server(names=(HOST,)))
    assert_sentence(bench, "unknown authority")


def test_a_certificate_for_other_names_is_named(bench: Bench) -> None:
    bench.serve(bench.authority.server(names=("other.local",), addresses=("10.0.0.1",)))
    assert_sentence(bench, "is for other names than registry.cube.local and 127.0.0.1")


def test_a_port_that_speaks_no_tls_is_named(curl_bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:

        def talk() -> None:
            while True:
                try:
                    connection, _ = plain.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1024)
                    connection.sendall(
                        b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
                    )

        threading.Thread(target=talk, daemon=True).start()
        curl_bench.point_at(plain.getsockname()[1])
        assert_sentence(curl_bench, "answers without TLS")
        plain.shutdown(socket.SHUT_RDWR)


def test_a_registry_that_asks_for_credentials_is_named_at_once(bench: Bench) -> None:
    bench.store.refuse = 401
    bench.serve()
    assert_sentence(bench, "asks for credentials", wait_seconds="60")


def test_a_registry_that_refuses_uploads_is_named_at_once(bench: Bench) -> None:
    bench.store.read_only = True
    bench.serve()
    assert_sentence(bench, "answered 405", wait_seconds="60")


def test_a_registry_whose_storage_is_full_is_named_at_once(bench: Bench, tmp_path: Path) -> None:
    if subprocess.run([*FULL, tmp_path, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a file system")
    bench.serve_by(toolchain.ensure(["registry"])["registry"], full=True)
    started = time.monotonic()
    assert_sentence(bench, "the registry's storage is full", "answered 500", "docs/operating.md", wait_seconds="60")
    assert time.monotonic() - started < 30, "waiting does not free space"


def test_a_registry_that_stays_broken_is_named(curl_bench: Bench) -> None:
    curl_bench.store.failures = 1000
    curl_bench.serve()
    assert_sentence(curl_bench, "answered 503")


def test_a_name_that_does_not_resolve_is_named(curl_bench: Bench) -> None:
    curl_bench.serve()
    curl_bench.node.write("/etc/hosts", "127.0.0.1 localhost\n")
    assert_sentence(curl_bench, "the name registry.cube.local does not resolve", wait_seconds="30")


def test_a_name_that_leads_elsewhere_is_named(curl_bench: Bench) -> None:
    curl_bench.serve()
    curl_bench.node.write("/etc/hosts", f"127.0.0.2 {HOST}\n127.0.0.1 {HOST}\n")
    assert_sentence(curl_bench, "the name registry.cube.local leads to 127.0.0.2 127.0.0.1", wait_seconds="30")


def test_the_systems_resolver_is_asked_where_it_exists(curl_bench: Bench, tmp_path: Path) -> None:
    curl_bench.serve()
    curl_bench.behave(errors=["something"] * 9)
    executable(tmp_path / "clients/getent", "#!/bin/sh\necho '10.9.9.9 STREAM registry.cube.local'\n")
    assert_sentence(curl_bench, "the name registry.cube.local leads to 10.9.9.9;", wait_seconds="30")


def test_a_missing_hosts_toml_is_named(curl_bench: Bench) -> None:
    port = curl_bench.serve()
    (curl_bench.node.root / CERTS[1:] / f"{HOST}:{port}/hosts.toml").unlink()
    assert_sentence(curl_bench, "hosts.toml is missing", wait_seconds="30")


def test_a_ca_file_of_another_authority_is_named(curl_bench: Bench, second_authority: Authority) -> None:
    curl_bench.serve()
    curl_bench.node.write(CA_FILE, second_authority.pem)
    assert_sentence(curl_bench, "unknown authority", wait_seconds="30")


@dash_only
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("write /var/lib/x: no space left on device", "the disk of"),
        ("dial unix /run/k3s/containerd/containerd.sock: connect: connection refused", "containerd does not answer"),
        ("unexpected status: 401 Unauthorized", "asks for credentials"),
        ("x509: certificate is valid for other.local, not registry.cube.local", "for other names"),
        ("unexpected status from HEAD request to https://r:5000/v2/x: 403 Forbidden", "asks for credentials"),
        ("pull access denied, repository does not exist or may require authorization", "asks for credentials"),
        ("failed to authorize: failed to fetch anonymous token", "asks for credentials"),
        ("unexpected status from GET request to https://r:5000/v2/x: 503 Service Unavailable", "the registry must"),
        (f"{OUTSIDE} 1970-01-01T00:02:10Z is before 2026-11-26T00:00:00Z", "is not yet valid"),
        (f"{OUTSIDE} 2027-12-31T00:02:10Z is after 2027-11-26T00:00:00Z", "has expired"),
        ("failed with status code [manifests sha256:ab]: 403 Forbidden", "asks for credentials"),
        ("failed with status code [manifests sha256:401]: 502 Bad Gateway", "the registry must accept"),
        ("failed to read status of snapshot 401: permission denied", "the pull failed"),
        ("something; nobody has seen", "the pull failed"),
        ("failed to extract layer sha256:0a401f: input/output error", "the pull failed"),
        ("failed to copy: read tcp 10.0.0.2:40365->10.0.0.9:5403: broken pipe", "the pull failed"),
        ("unexpected status from GET request to https://r:5401/v2/x@sha256:403ab: weird", "the pull failed"),
        ("open /var/lib/rancher/k3s/x: permission denied", "the pull failed"),
    ],
)
def test_errors_of_containerd_are_explained(curl_bench: Bench, error: str, expected: str) -> None:
    curl_bench.serve()
    curl_bench.behave(errors=[error] * 50)
    assert_sentence(curl_bench, expected, wait_seconds="6")


def test_a_node_without_k3s_is_refused(bare: Bench) -> None:
    (bare.node.root / "usr/local/bin/k3s").unlink()
    assert_sentence(bare, "found no k3s command")


def test_a_name_that_is_not_the_clusters_is_refused_with_the_right_one(curl_bench: Bench) -> None:
    curl_bench.serve()
    curl_bench.behave(node="cube07")
    assert_sentence(curl_bench, "the cluster knows this machine as cube07", "rename nodes.cube01 to cube07")


def test_a_node_that_the_cluster_does_not_know_is_refused(curl_bench: Bench) -> None:
    curl_bench.serve()
    curl_bench.behave(node=None)
    assert_sentence(curl_bench, "the cluster knows no node cube01", "take cube01 out of nodes")


def test_a_node_is_asked_for_as_itself(curl_bench: Bench) -> None:
    curl_bench.serve()
    curl_bench.behave(node="cube01")
    curl_bench.run()
    kubeconfig = curl_bench.node.root / "var/lib/rancher/k3s/agent/kubelet.kubeconfig"
    [asked] = [call for call in curl_bench.calls() if call.endswith("get node cube01 -o name")]
    assert asked.startswith(f"kubectl --kubeconfig {kubeconfig} --cache-dir {curl_bench.node.root}")
