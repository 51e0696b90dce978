import gzip
import hashlib
import io
import json
import tarfile

from hypothesis import given
from hypothesis import strategies as st

from components import probe_image


def test_the_same_revision_gives_the_same_bytes() -> None:
    assert probe_image.build("a") == probe_image.build("a")


def test_the_digest_is_known_and_depends_on_no_library() -> None:
    # A changed value here makes every user's nodes prove themselves again: allowed, but never by accident.
    known = "58641e214187532f9cb75695c48074faef30e5b5b85fe231a85afe4f1c1d4fce"
    assert probe_image.build("a").index.digest == f"sha256:{known}"


@given(st.text(), st.text())
def test_another_revision_gives_another_digest(one: str, other: str) -> None:
    assert (probe_image.build(one).index == probe_image.build(other).index) == (one == other)


def test_the_layer_is_an_empty_tar_and_its_diff_id_is_right() -> None:
    image = probe_image.build("a")
    content = gzip.decompress(image.blobs[0].content)
    config = json.loads(image.blobs[1].content)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        assert archive.getnames() == []
    assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(content).hexdigest()]


def test_everything_that_is_named_is_carried_before_it_is_named() -> None:
    image = probe_image.build("a")
    carried = {blob.digest: len(blob.content) for blob in image.blobs}
    for manifest in (*image.manifests, image.index):
        document = json.loads(manifest.content)
        named = [document["config"], *document["layers"]] if "layers" in document else document["manifests"]
        assert {item["digest"]: item["size"] for item in named}.items() <= carried.items()
        carried[manifest.digest] = len(manifest.content)


def test_every_platform_of_k3s_finds_itself() -> None:
    index = json.loads(probe_image.build("a").index.content)
    assert [entry["platform"]["architecture"] for entry in index["manifests"]] == ["amd64", "arm64", "arm"]
