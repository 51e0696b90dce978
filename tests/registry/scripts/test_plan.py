"""What a clean-up deletes and keeps, by the real scripts and the real registry, on images on disk."""

from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.nodes.probe_image import REPOSITORY
from tests.registry.scripts.image_store import Cleaner, ImageStore

TAGS = st.dictionaries(st.from_regex(r"[a-c][a-c0-1.]{0,2}", fullmatch=True), st.integers(0, 5), max_size=8)
PATTERNS = st.lists(st.sampled_from(["a*", "*", "b?", "c", "a.*"]), max_size=2)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tags=TAGS, keep=st.integers(1, 3), patterns=PATTERNS)
def test_the_newest_tags_and_those_that_match_stay(
    cleaner: Cleaner, tags: dict[str, int], keep: int, patterns: list[str]
) -> None:
    lines = [f"{second} app {tag} sha256:{tag}" for tag, second in sorted(tags.items(), key=lambda item: -item[1])]
    said = cleaner.run(
        "choose_tags", text="".join(f"{line}\n" for line in lines), keep=str(keep), keep_patterns=" ".join(patterns)
    )
    kept = {line.split()[1] for line in said.stdout.splitlines()}
    matching = {tag for tag in tags if any(fnmatchcase(tag, pattern) for pattern in patterns)}
    others = sorted((second for tag, second in tags.items() if tag not in matching), reverse=True)
    oldest = others[min(keep, len(others)) - 1] if others else 0
    assert kept == matching | {tag for tag, second in tags.items() if second >= oldest and tag not in matching}


def tagged(store: ImageStore, repository: str, *names: str) -> dict[str, Any]:
    """Store one image for each tag, in this order."""
    made = {}
    for name in names:
        made[name] = store.image(repository, f"{repository}:{name}")
        store.tag(repository, name, made[name])
    return made


def test_old_tags_go_with_their_images(cleaner: Cleaner) -> None:
    made = tagged(cleaner.store, "team/app", "v0", "t1", "t2", "t3")
    said = cleaner.collect(keep_patterns="v*")
    assert "Deletes team/app:t1" in said.splitlines()
    assert cleaner.store.tags("team/app") == {"v0", "t2", "t3"}
    assert [name for name in made if cleaner.store.complete("team/app", made[name])] == ["v0", "t2", "t3"]
    assert int(said.splitlines()[-1]) > 0


def test_a_plan_changes_nothing(cleaner: Cleaner) -> None:
    tagged(cleaner.store, "app", "t1", "t2", "t3")
    before = cleaner.store.snapshot()
    said = cleaner.run("would_clean_up").stdout
    assert cleaner.store.snapshot() == before
    assert "Would delete app:t1" in said
    assert " would free=" in said.splitlines()[-1]


def test_what_was_planned_is_what_is_freed(cleaner: Cleaner) -> None:
    tagged(cleaner.store, "app", "t1", "t2", "t3")
    blobs = cleaner.store.images / "docker/registry/v2/blobs"

    def size() -> int:
        return sum(path.stat().st_size for path in blobs.rglob("data"))

    before = size()
    planned = int(cleaner.run("would_clean_up").stdout.rpartition("=")[2])
    cleaner.collect()
    assert before - size() == planned > 0


def test_the_platforms_of_a_kept_image_stay(cleaner: Cleaner) -> None:
    store = cleaner.store
    inner = store.index("app", store.image("app", "arm64"))
    whole = store.index("app", store.image("app", "amd64"), inner)
    store.tag("app", "latest", whole)
    cleaner.collect()
    assert store.complete("app", whole)


def test_an_image_without_a_tag_goes(cleaner: Cleaner) -> None:
    store = cleaner.store
    former = store.image("app", "former")
    tagged(store, "app", "latest")
    cleaner.collect()
    assert not store.complete("app", former)


def test_referrers_live_as_long_as_their_subject(cleaner: Cleaner) -> None:
    store = cleaner.store
    made = tagged(store, "app", "t1", "t2", "t3")
    about = {}
    for name in ("t1", "t3"):
        signature = store.image("app", f"signature of {name}", subject=made[name])
        store.tag("app", made[name]["digest"].replace(":", "-"), store.index("app", signature))
        bill = store.image("app", f"bill of {name}", subject=signature)
        store.tag("app", signature["digest"].replace(":", "-"), store.index("app", bill))
        store.tag("app", made[name]["digest"].replace(":", "-") + ".sig", store.image("app", f"cosign {name}"))
        about[name] = (signature, bill)
    cleaner.collect()
    assert all(store.complete("app", one) for one in about["t3"])
    assert not any(store.complete("app", one) for one in about["t1"])
    assert len(store.tags("app")) == 2 + 3


def test_what_a_workload_names_stays(cleaner: Cleaner) -> None:
    store = cleaner.store
    made = tagged(store, "app", "t1", "t2", "t3", "t4")
    former = store.image("app", "former")
    cleaner.collect("app t1", former["digest"])
    assert store.tags("app") == {"t1", "t3", "t4"}
    assert store.complete("app", made["t1"])
    assert store.complete("app", former)


def test_of_the_probe_images_only_the_newest_stays(cleaner: Cleaner) -> None:
    store = cleaner.store
    platform = store.image(REPOSITORY, "platform")
    proofs = []
    for _ in range(3):
        store.second += 1
        proofs.append(store.index(REPOSITORY, platform, platform | {"size": store.second}))
    cleaner.collect()
    assert [store.complete(REPOSITORY, proof) for proof in proofs] == [False, False, True]


def test_a_platform_that_another_repository_has_lost_stays_here(cleaner: Cleaner) -> None:
    """The collection itself passes over what it has marked in another repository."""
    store = cleaner.store
    platform = store.image("b", "platform")
    here = store.index("b", platform)
    store.tag("b", "latest", here)
    store.tag("a", "other", store.image("a", "other"))
    store.tag("a", "latest", store.index("a", platform))
    cleaner.collect()
    assert store.complete("b", here)


def test_a_tag_that_lost_its_image_is_reported_and_spoils_nothing(cleaner: Cleaner) -> None:
    store = cleaner.store
    made = tagged(store, "app", "t1", "t2")
    digest = made["t1"]["digest"][7:]
    (store.images / "docker/registry/v2/blobs/sha256" / digest[:2] / digest / "data").unlink()
    said = cleaner.collect()
    assert "app:t1 has lost its image" in said
    assert store.complete("app", made["t2"])


def test_nothing_of_the_clean_up_stays_in_the_images(cleaner: Cleaner) -> None:
    store = cleaner.store
    store.tag("app", "latest", store.index("app", store.image("app", "platform")))
    cleaner.collect()
    assert not [path for path in store.root.rglob("*") if "hold" in path.name]
    assert [path.name for path in store.images.iterdir()] == ["docker"]


def test_a_second_clean_up_finds_nothing(cleaner: Cleaner) -> None:
    tagged(cleaner.store, "app", "t1", "t2", "t3")
    cleaner.collect()
    before = cleaner.store.snapshot()
    assert cleaner.run("would_clean_up").stdout.splitlines()[-1] == "cleanup tags=0 manifests=0 would free=0"
    assert cleaner.store.snapshot() == before


@pytest.mark.parametrize("moment", ["before the collection", "after the collection"])
def test_a_clean_up_that_is_killed_loses_nothing_that_stays(cleaner: Cleaner, moment: str) -> None:
    store = cleaner.store
    former = store.image("app", "former")
    made = tagged(store, "app", "t1", "t2", "t3")
    whole = store.index("app", store.image("app", "platform"))
    store.tag("app", "latest", whole)
    collect = 'command registry "$@" || :' if moment == "after the collection" else ":"
    killer = f"""registry() {{ case $* in *--dry-run*) command registry "$@" ;; *) {collect}; kill -9 $$ ;; esac; }}"""
    cleaner.collect(former["digest"], before=killer, check=False)
    assert [tag for tag in store.tags("app") if tag.startswith("k3s-registry-hold-")], "it was killed in between"
    assert all(store.complete("app", one) for one in (made["t3"], whole, former))
    cleaner.collect(former["digest"])
    assert store.tags("app") == {"t3", "latest"}
    assert all(store.complete("app", one) for one in (made["t3"], whole, former))


def test_a_collection_that_fails_is_reported(cleaner: Cleaner) -> None:
    tagged(cleaner.store, "app", "t1", "t2", "t3")
    failing = 'registry() { case $* in *--dry-run*) command registry "$@" ;; *) echo "no room" >&2; return 1 ;; esac; }'
    done = cleaner.run(f"{failing}\nplan; delete; echo later", check=False)
    assert "The clean-up failed: the collection ended early: no room." in done.stderr
    assert "later" not in done.stdout
    assert not [path for path in cleaner.store.root.rglob("*") if "hold" in path.name]


def test_a_clean_up_that_fails_gives_the_images_back_before_its_server_ends(cleaner: Cleaner) -> None:
    cleaner.store.images.mkdir(parents=True)
    server = "sleep 60 & reader=$!; trap leave EXIT"
    watch = 'give_images_back() { kill -0 "$reader" && say "given back"; }'
    done = cleaner.run(f'{watch}; {server}; take_images; fail "no reason."', check=False)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "given back"
