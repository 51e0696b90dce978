"""How K3s is told where its files are, read from the files alone: no K3s runs that could be asked."""

import os

import pytest

from tests.nodes.scripts.k3s_settings import CASES, Case
from tests.nodes.scripts.node import CERTS, CONFIG, REGISTRIES_YAML, REGISTRY, Node
from tests.nodes.scripts.proof_node import Bench
from tests.nodes.scripts.services import ANEW


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_setting_is_read_as_k3s_reads_it(node: Node, case: Case) -> None:
    for path, text in case.files.items():
        node.write(path, text)
    if case.data:
        (node.root / CONFIG[1:]).unlink()
        certs = f"{case.data}/agent/etc/containerd/certs.d"
        node.write(f"{case.data}/agent/etc/containerd/config.toml", ANEW.replace(CERTS, certs))
    before = node.tree(times=True)
    outcome = node.run("apply", **case.settings)
    if case.refused:
        assert [part for part in case.refused if part not in outcome.sentence] == [], outcome.sentence
        assert node.tree(times=True) == before
        return
    assert (outcome.status, outcome.stderr) == (0, "")
    data = case.data or "/var/lib/rancher/k3s"
    assert (node.root / f"{data}/agent/etc/containerd/certs.d/{REGISTRY}/hosts.toml".lstrip("/")).exists()
    registries = case.registries or "/etc/rancher/k3s/registries.yaml"
    assert node.read(registries) == REGISTRIES_YAML.encode()


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.data])
def test_the_proof_finds_where_a_k3s_that_does_not_run_kept_its_data(curl_bench: Bench, name: str) -> None:
    node, case = curl_bench.node, CASES[name]
    curl_bench.serve()
    for path, text in case.files.items():
        node.write(path, text)
    former = node.root / "var/lib/rancher/k3s/agent/etc/crictl.yaml"
    former.parent.mkdir(parents=True, exist_ok=True)
    former.touch()
    os.utime(former, (0, 0))
    node.write(f"{case.data}/agent/etc/crictl.yaml", "")
    # A name that the cluster does not know ends the proof at its first question.
    curl_bench.behave(node="cube07")
    assert "cube07" in curl_bench.run().sentence
    assert f"--kubeconfig {node.root}{case.data}/agent/kubelet.kubeconfig" in curl_bench.calls()[0]
