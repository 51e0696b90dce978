"""What the load's report says; its clients have tests in lab/tools/load."""

import pytest

from bench.load import Load

SEEN = {
    "requests": 900,
    "failed": 1,
    "repeated": 1,
    "pushed": 20,
    "pulled": 30,
    "lost": 0,
    "mismatched": 0,
    "bytesUp": 2_000_000_000,
    "bytesDown": 3_000_000_000,
    "slowest": 1.5,
    "failures": [
        {"second": 20.4, "request": "PATCH /v2/a/blobs", "cause": "EOF", "http2": False},
        {"second": 20.9, "request": "POST /v2/b/blobs", "cause": "EOF", "http2": False},
        {"second": 21.0, "request": "POST /v2/c/blobs", "cause": "EOF", "http2": True},
    ],
}


def load(**seen: int) -> Load:
    return Load(seen={**SEEN, **seen}, events=["the pod is deleted at 20 s"], averages=(3.0, 4.5))


def test_the_report_groups_failed_requests_by_cause_and_ends_with_the_figures() -> None:
    lines = [*load().report()]
    assert lines[-3:] == [
        "failed 2 times, from 20.4 s to 20.9 s, HTTP/1.1: EOF (first: PATCH /v2/a/blobs)",
        "failed 1 times, from 21.0 s to 21.0 s, HTTP/2: EOF (first: POST /v2/c/blobs)",
        "load requests=900 failed=1 lost=0 mismatched=0",
    ]


def test_failed_requests_alone_are_no_loss() -> None:
    assert load(failed=7).is_good


@pytest.mark.parametrize("seen", [{"lost": 1}, {"mismatched": 1}, {"pushed": 0}])
def test_a_lost_image_a_wrong_digest_or_no_image_at_all_is_bad(seen: dict[str, int]) -> None:
    assert not load(**seen).is_good
