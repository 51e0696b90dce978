import shutil
import subprocess

import pytest

from lab import needs, packet_filter

pytestmark = pytest.mark.skipif(not needs.is_root(), reason="only root may create the namespace that is asked in")


@pytest.mark.skipif(not shutil.which("iptables-nft"), reason="there is no iptables to compare with")
def test_the_answer_is_that_of_the_iptables_for_nf_tables() -> None:
    command = ["unshare", "--net", "iptables-nft", "-t", "nat", "-I", "PREROUTING", "-j", "ACCEPT"]
    works = subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert (packet_filter.refusal() is None) == works


def test_a_refused_chain_is_reported_in_the_kernels_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packet_filter, "CHAIN_TYPE", "none")
    assert packet_filter.refusal() == "No such file or directory"


def test_a_kernel_without_that_family_is_reported_in_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.AF_INET", 9)
    assert packet_filter.refusal() == "Operation not supported"


def test_where_no_namespace_can_be_had_nothing_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packet_filter, "CLONE_NEWNET", 1 << 31)
    monkeypatch.setattr(packet_filter, "CHAIN_TYPE", "none")
    assert packet_filter.refusal() is None
