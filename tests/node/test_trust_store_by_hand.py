"""A certificate added to Debian's store without Debian's tool: the store is what the tool would have made of it."""

import shutil
import signal
import subprocess
from collections.abc import Callable

import pytest

from tests.node.authority import Authority, new_authority
from tests.node.debian_store import BUNDLE, PREFIX, dangling, has, rebuilds, verifies_by_folder
from tests.node.node import Node, dash_only, trust
from tests.node.test_trust_faults import killing

LOCAL = "/usr/local/share/ca-certificates"
SHARED = "/usr/share/ca-certificates"


def tool(node: Node) -> None:
    subprocess.run([node.root / "usr/sbin/update-ca-certificates"], check=True, capture_output=True)
    (node.root / "rebuilds").unlink()


def store(node: Node) -> dict[str, object]:
    return {name: entry for name, entry in node.tree().items() if name.startswith(("etc/ssl", "usr"))}


def local_certificates(node: Node) -> None:
    for name in ("a.crt", "z.crt", "below/my (own), ca.crt"):
        node.write(f"{LOCAL}/{name}", new_authority(name).pem)


def no_final_newline(node: Node) -> None:
    for name in (f"{SHARED}/test/two.crt", f"{LOCAL}/z.crt"):
        node.write(name, new_authority(name).pem.rstrip())


def unwanted_certificate(node: Node) -> None:
    node.write(f"{SHARED}/test/three.crt", new_authority("three").pem)
    with (node.root / "etc/ca-certificates.conf").open("a") as file:
        file.write("# not this one\n!test/three.crt\n\n")


def foreign_generation(node: Node) -> None:
    node.write(f"{LOCAL}/guide.crt", new_authority().pem)


@pytest.mark.parametrize(
    "prepare", [None, local_certificates, no_final_newline, unwanted_certificate, foreign_generation]
)
def test_a_ca_added_by_hand_makes_the_store_that_the_tool_makes(
    debian: Node, authority: Authority, openssl: str, prepare: Callable[[Node], None] | None
) -> None:
    if prepare:
        prepare(debian)
    tool(debian)
    assert debian.run("apply").stderr == ""
    assert rebuilds(debian) == 0
    assert verifies_by_folder(debian, authority, openssl)
    by_hand = store(debian)
    (debian.root / f"etc/ssl/certs/{PREFIX}{authority.fingerprint[:8]}.pem").unlink()
    (debian.root / BUNDLE[1:]).write_text("")
    tool(debian)
    assert store(debian) == by_hand


def test_a_second_generation_is_added_by_hand_too(
    debian: Node, authority: Authority, second_authority: Authority, openssl: str
) -> None:
    debian.run("apply")
    assert debian.run("apply", **trust(authority, second_authority)).stderr == ""
    assert rebuilds(debian) == 0
    assert all(verifies_by_folder(debian, each, openssl) for each in (authority, second_authority))
    by_hand = store(debian)
    (debian.root / f"etc/ssl/certs/{PREFIX}{second_authority.fingerprint[:8]}.pem").unlink()
    tool(debian)
    assert store(debian) == by_hand


def hook(node: Node, authority: Authority) -> None:  # noqa: ARG001  # all take the same
    node.write("/etc/ca-certificates/update.d/hook", "#!/bin/sh\n", 0o755)


def no_openssl(node: Node, authority: Authority) -> None:  # noqa: ARG001
    (node.root / "usr/sbin/openssl").unlink()


def foreign_text_in_the_bundle(node: Node, authority: Authority) -> None:  # noqa: ARG001
    with (node.root / BUNDLE[1:]).open("a") as file:
        file.write(new_authority("by hand").pem)


def a_link_that_leads_nowhere(node: Node, authority: Authority) -> None:  # noqa: ARG001
    (node.root / "etc/ssl/certs/gone.pem").symlink_to("/nowhere")


def a_certificate_without_hash(node: Node, authority: Authority) -> None:  # noqa: ARG001
    node.write("/etc/ssl/certs/late.pem", new_authority("late").pem)


def a_lost_hash(node: Node, authority: Authority) -> None:  # noqa: ARG001
    next((node.root / "etc/ssl/certs").glob("*.0")).unlink()


def a_gap_in_the_numbers(node: Node, authority: Authority) -> None:  # noqa: ARG001
    first = next((node.root / "etc/ssl/certs").glob("*.0"))
    first.rename(first.with_suffix(".2"))


def a_link_to_another_file(node: Node, authority: Authority) -> None:  # noqa: ARG001
    link = node.root / "etc/ssl/certs/one.pem"
    link.unlink()
    link.symlink_to("two.pem")


def a_certificate_that_is_to_go(node: Node, authority: Authority) -> None:  # noqa: ARG001
    conf = node.root / "etc/ca-certificates.conf"
    conf.write_text(conf.read_text().replace("test/two", "!test/two"))


def a_certificate_that_is_to_come(node: Node, authority: Authority) -> None:  # noqa: ARG001
    node.write(f"{LOCAL}/new.crt", new_authority("new").pem)


def a_listed_certificate_that_is_missing(node: Node, authority: Authority) -> None:  # noqa: ARG001
    (node.root / SHARED[1:] / "test/two.crt").unlink()


def another_mode(node: Node, authority: Authority) -> None:  # noqa: ARG001
    (node.root / BUNDLE[1:]).chmod(0o600)


def the_same_certificate_under_another_name(node: Node, authority: Authority) -> None:
    node.write(f"{LOCAL}/guide.crt", authority.pem)
    tool(node)


ODD = [
    hook,
    no_openssl,
    foreign_text_in_the_bundle,
    a_link_that_leads_nowhere,
    a_certificate_without_hash,
    a_lost_hash,
    a_gap_in_the_numbers,
    a_link_to_another_file,
    a_certificate_that_is_to_go,
    a_certificate_that_is_to_come,
    a_listed_certificate_that_is_missing,
    another_mode,
    the_same_certificate_under_another_name,
]


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_store_is_left_to_the_tool(
    debian: Node, authority: Authority, odd: Callable[[Node, Authority], None]
) -> None:
    odd(debian, authority)
    assert debian.run("apply").stderr == ""
    assert rebuilds(debian) == 1
    assert has(debian.read(BUNDLE), authority)
    assert debian.run("apply").answer["changed"] is False


@dash_only
@pytest.mark.parametrize("place", ["ln 2", "ln 3", "mv 2", "mv 3", "awk 6", "awk 8"])
def test_a_kill_while_adding_by_hand_is_made_good_by_the_next_run(
    debian: Node, authority: Authority, openssl: str, wrap: Callable[[str, str], None], place: str
) -> None:
    before = store(debian)
    command, count = place.split()
    wrap(command, killing(debian, int(count)))
    assert debian.run("apply").status == -signal.SIGKILL
    debian.extra_path.clear()
    shutil.rmtree(debian.root / "tmp")
    (debian.root / "tmp").mkdir()
    assert debian.run("apply").stderr == ""
    assert has(debian.read(BUNDLE), authority)
    assert verifies_by_folder(debian, authority, openssl)
    assert dangling(debian) == []
    assert debian.run("apply").answer["changed"] is False
    debian.run("remove")
    assert store(debian) == before
