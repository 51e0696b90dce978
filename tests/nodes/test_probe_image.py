import gzip
import hashlib
import io
import json
import tarfile

from hypothesis import given
from hypothesis import strategies as st

from components.nodes import probe_image


def test_the_same_revision_gives_the_same_bytes() -> None:
    assert probe_image.build("a") == probe_image.build("a")


def test_the_digest_is_known_and_depends_on_no_library() -> None:
    # A change of this value requires another proof of every user's nodes: allowed, but never by accident.
    known = "1340b08ced11d3e9b19efeb7f867e6705475804cad5a06cf58c4ec0bf66bdc87"
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


def test_each_part_is_pushed_before_the_part_that_names_it() -> None:
    image = probe_image.build("a")
    carried = {blob.digest: len(blob.content) for blob in image.blobs}
    for manifest in (*image.manifests, image.index):
        document = json.loads(manifest.content)
        named = [document["config"], *document["layers"]] if "layers" in document else document["manifests"]
        assert {item["digest"]: item["size"] for item in named}.items() <= carried.items()
        carried[manifest.digest] = len(manifest.content)


def test_the_index_lists_every_platform_of_k3s() -> None:
    index = json.loads(probe_image.build("a").index.content)
    assert [entry["platform"]["architecture"] for entry in index["manifests"]] == ["amd64", "arm64", "arm"]
