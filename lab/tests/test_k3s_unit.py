"""The error that is reported of a K3s, from the lines of its journal."""

import pytest

from lab.k3s_unit import LONGEST, UnitState, last_error

START = "k3s: starting k3s agent v1.34.4+k3s1"
CAUSE = 'kubelet: E1127 18:01:02.345678      42 run.go:72] "command failed" err="could not detect clock speed"'
REAL_START = 'time="..." level=info msg="Starting k3s v1.34.4+k3s1 (c6017918)"'
FATAL = 'time="..." level=fatal msg="failed to parse kubelet-arg"'
END = "k3s: kubelet: exit status 1"


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        pytest.param([START, CAUSE, END], f"{END} ({CAUSE})", id="ended"),
        pytest.param([START, CAUSE, END, START, "k3s: containerd after 0.3 s"], f"{END} ({CAUSE})", id="started-again"),
        pytest.param(
            [START, CAUSE, "kubelet: I1127 18:01:02.345678 42 bye", "kube-proxy: E1127 18:01:03.1 7 x", END],
            f"{END} ({CAUSE})",
            id="others-talk",
        ),
        pytest.param(
            [START, "etcd: no space left", "k3s: waiting for etcd: etcd: exit status 2"],
            "k3s: waiting for etcd: etcd: exit status 2 (etcd: no space left)",
            id="no-mark-of-an-error",
        ),
        pytest.param([START, "k3s: registries.yaml: bad"], "k3s: registries.yaml: bad", id="no-process-ended"),
        pytest.param(["k3s: cannot execute"], "k3s: cannot execute", id="never-started"),
        pytest.param(["/bin/sh: no such file"], "/bin/sh: no such file", id="no-supervisor"),
        pytest.param(
            [REAL_START, FATAL, 'time="..." level=info msg="Shutting down"', REAL_START, "I1127 18:01:03.1 7 x"],
            FATAL,
            id="a-real-one",
        ),
        pytest.param([], "it has written nothing", id="silence"),
    ],
)
def test_the_last_error_is_that_of_the_k3s_that_ended(lines: list[str], error: str) -> None:
    assert last_error(lines) == error


def test_an_error_that_quotes_a_file_is_cut() -> None:
    assert last_error(["k3s: " + "x" * 1000]) == f"k3s: {'x' * (LONGEST - 5)} ..."


@pytest.mark.parametrize(
    ("restarts", "text"),
    [
        (0, "cube01: k3s-agent.service is active (running), last: k3s: bad"),
        (1, "cube01: k3s-agent.service restarted once, last: k3s: bad"),
        (6, "cube01: k3s-agent.service restarted 6 times, last: k3s: bad"),
    ],
)
def test_a_state_is_one_sentence(restarts: int, text: str) -> None:
    assert str(UnitState("cube01", "k3s-agent.service", "active (running)", restarts, "k3s: bad")) == text
