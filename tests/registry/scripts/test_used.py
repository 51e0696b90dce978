"""Which images the cluster uses, by the API server's answers; anything doubtful ends the clean-up."""

import json

import pytest

from tests.registry.scripts.image_store import Cleaner

CONTAINERS = [
    {"image": "registry.cube.local:5000/team/app:1.2", "imageID": "registry.cube.local:5000/team/app@sha256:aa"},
    {"image": "registry/plain"},
    {"image": "registry.cube.local:5000/pinned:old@sha256:bb"},
    {"volumes": [{"name": "model", "image": {"reference": "registry.cube.local:5000/team/model:1"}}]},
]
ANSWER = "HTTP/1.0 200 OK\r\n\r\n" + json.dumps({"kind": "PodList", "items": CONTAINERS}, separators=(",", ":"))
SERVER = 'exchange() { cat >"$work/asked"; printf %s "$*" >"$work/arguments"; cat "$work/given"; }'


def read(cleaner: Cleaner, answer: str, *, check: bool = True) -> tuple[int, str, str]:
    """Read the images in use from an API server that always gives this answer."""
    cleaner.work.mkdir(exist_ok=True)
    (cleaner.work / "given").write_text(answer, newline="")
    (cleaner.work / "token").write_text("ey.secret\n")
    addresses = {"KUBERNETES_SERVICE_HOST": "10.43.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    done = cleaner.run(
        f"{SERVER}; read_used_images; echo later", check=check, credentials=str(cleaner.work), **addresses
    )
    return done.returncode, done.stdout + done.stderr, (cleaner.work / "used").read_text()


def test_images_are_known_by_repository_and_tag_and_by_digest(cleaner: Cleaner) -> None:
    _, said, used = read(cleaner, ANSWER)
    assert set(used.splitlines()) == {"team/app 1.2", "plain latest", "pinned old", "sha256:aa", "sha256:bb"} | {
        "team/app latest",
        "team/model 1",
    }
    assert "name 5 images" in said, "each counts once, however many lists name it"


def test_an_answer_that_is_laid_out_for_people_says_the_same(cleaner: Cleaner) -> None:
    pretty = json.dumps({"items": CONTAINERS}, indent=2).replace("\n  ]\n}", "\n]}")
    assert read(cleaner, f"HTTP/1.0 200 OK\r\n\r\n{pretty}")[2] == read(cleaner, ANSWER)[2]


def test_the_token_is_sent_and_is_no_argument(cleaner: Cleaner) -> None:
    read(cleaner, ANSWER)
    assert b"\r\nAuthorization: Bearer ey.secret\r\n\r\n" in (cleaner.work / "asked").read_bytes()
    assert "secret" not in (cleaner.work / "arguments").read_text()


@pytest.mark.parametrize(
    "answer",
    ["", ANSWER[:-20], ANSWER.replace("200 OK", "403 Forbidden"), "HTTP/1.0 200 OK\r\n\r\n"],
    ids=["none", "cut off", "refused", "empty"],
)
def test_without_a_whole_answer_nothing_goes_on(cleaner: Cleaner, answer: str) -> None:
    status, said, _ = read(cleaner, answer, check=False)
    assert status != 0
    assert "so nothing was deleted" in said
    assert "later" not in said


@pytest.mark.parametrize(
    ("version", "accepted"),
    [
        ("registry github.com/distribution/distribution/v3 v3.1.2+unknown", True),
        ("registry github.com/distribution/distribution/v3 3.0.0", True),
        ("registry github.com/docker/distribution v2.8.3", False),
        ("registry github.com/docker/distribution 2.8.3", False),
    ],
)
def test_only_a_registry_from_version_3_collects(cleaner: Cleaner, version: str, accepted: bool) -> None:  # noqa: FBT001 - a case of the table
    done = cleaner.run(f"registry() {{ echo '{version}'; }}; check_version; echo later", check=False)
    assert (done.returncode == 0) == ("later" in done.stdout) == accepted


def test_a_client_that_trusts_every_certificate_gets_no_token(cleaner: Cleaner) -> None:
    """Busybox has such an ssl_client; Alpine replaces it."""
    done = cleaner.run("exchange() { echo 'HTTP/1.0 200 OK'; }; check_client; echo later", check=False)
    assert "does not check certificates" in done.stderr
    assert "later" not in done.stdout
    assert "later" in cleaner.run("exchange() { return 1; }; check_client; echo later").stdout
