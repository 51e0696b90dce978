import base64
import hashlib
import ssl
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.certificates.bundle import fingerprints, split

from .authorities import BELOW, ROOT

LINE_ENDS = st.sampled_from(["\n", "\r\n", " \n", "\n\n"])
BETWEEN = st.text(st.characters(exclude_characters="-"), max_size=80)
CONTENTS = st.lists(st.binary(min_size=1, max_size=200), max_size=4)


@st.composite
def bundles(draw: st.DrawFn) -> tuple[list[bytes], str]:
    """The DER forms, and a bundle that has them in some way that PEM readers accept."""
    contents = draw(CONTENTS)
    text = draw(BETWEEN)
    for content in contents:
        width, line_end = draw(st.integers(min_value=1, max_value=100)), draw(LINE_ENDS)
        lines = textwrap.wrap(base64.b64encode(content).decode(), width)
        text += line_end.join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""]) + draw(BETWEEN)
    return contents, text


@given(bundles())
def test_line_ends_line_lengths_and_text_between_do_not_matter(bundle: tuple[list[bytes], str]) -> None:
    contents, text = bundle
    assert split(text) == [ssl.DER_cert_to_PEM_cert(content) for content in contents]


@given(bundles())
def test_a_fingerprint_is_that_of_the_bytes_inside(bundle: tuple[list[bytes], str]) -> None:
    contents, text = bundle
    assert fingerprints(text) == [hashlib.sha256(content).hexdigest() for content in contents]


def test_a_strictly_written_bundle_stays_as_it_is() -> None:
    assert split(BELOW.pem + ROOT.pem) == [BELOW.pem, ROOT.pem]


@pytest.mark.parametrize("text", ["", "no certificate", ROOT.key_pem], ids=["none", "no PEM", "a key"])
def test_a_bundle_without_a_certificate_has_no_fingerprint(text: str) -> None:
    assert fingerprints(text) == []


def test_a_bundle_that_is_not_base64_is_refused() -> None:
    with pytest.raises(ValueError, match="padding"):
        split("-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n")
