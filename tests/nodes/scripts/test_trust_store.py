"""The system store: Debian's with the machine's own tool, the others with imitations of their tools."""

import shutil
from pathlib import Path

import pytest

from tests.authority import Authority, new_authority
from tests.nodes.scripts.debian_store import (
    BUNDLE,
    PREFIX,
    dangling,
    has,
    rebuilds,
    verifies_by_folder,
)
from tests.nodes.scripts.node import Node, dash_only, executable, plain_node, trust
from tests.nodes.scripts.shells import Shell


def test_the_ca_is_in_the_bundle_and_in_the_directory(debian: Node, authority: Authority, openssl: str) -> None:
    assert debian.run("apply").answer["what"] == ["ca", "store", "hosts", "registries", "hosts.toml", "nodes"]
    assert has(debian.read(BUNDLE), authority)
    assert debian.read(BUNDLE).count(b"BEGIN") == 3
    assert verifies_by_folder(debian, authority, openssl)
    file = debian.root / f"usr/local/share/ca-certificates/{PREFIX}{authority.fingerprint[:8]}.crt"
    assert file.read_text() == authority.pem


def test_a_second_apply_does_not_rebuild_the_store(debian: Node) -> None:
    debian.run("apply")
    before = debian.tree(times=True)
    assert debian.run("apply").answer["changed"] is False
    assert debian.tree(times=True) == before
    assert rebuilds(debian) == 1


def test_remove_restores_the_former_store(debian: Node) -> None:
    before = debian.tree()
    debian.run("apply")
    assert debian.run("remove").answer["what"] == ["hosts.toml", "registries", "hosts", "store", "ca", "nodes"]
    assert debian.tree() == before


def test_switching_system_trust_off_restores_the_former_store(debian: Node) -> None:
    before = {name: entry for name, entry in debian.tree().items() if name.startswith(("etc/ssl", "usr"))}
    debian.run("apply")
    assert debian.run("apply", system_trust="false").answer["what"] == ["store"]
    assert {name: entry for name, entry in debian.tree().items() if name.startswith(("etc/ssl", "usr"))} == before


def test_a_rotation_in_three_steps_always_trusts_the_right_generations(
    debian: Node, authority: Authority, second_authority: Authority, openssl: str
) -> None:
    before = debian.tree()
    for trusted in ([authority], [authority, second_authority], [second_authority]):
        assert debian.run("apply", **trust(*trusted)).stderr == ""
        for each in (authority, second_authority):
            assert has(debian.read(BUNDLE), each) is (each in trusted)
            assert verifies_by_folder(debian, each, openssl) is (each in trusted)
        assert dangling(debian) == []
        assert debian.run("check", **trust(*trusted)).status == 0
    debian.run("remove", **trust(second_authority))
    assert debian.tree() == before


def test_a_ca_that_is_missing_from_the_bundle_is_restored(debian: Node, authority: Authority) -> None:
    debian.run("apply")
    bundle = debian.root / BUNDLE[1:]
    bundle.write_text(bundle.read_text().replace(authority.pem, ""))
    assert debian.run("check").answer == {"drift": ["store"]}
    assert debian.run("apply").answer["what"] == ["store"]
    assert has(debian.read(BUNDLE), authority)


def test_a_lost_link_is_restored(debian: Node, authority: Authority, openssl: str) -> None:
    debian.run("apply")
    (debian.root / f"etc/ssl/certs/{PREFIX}{authority.fingerprint[:8]}.pem").unlink()
    assert debian.run("check").answer == {"drift": ["store"]}
    debian.run("apply")
    assert verifies_by_folder(debian, authority, openssl)


def test_a_bundle_with_other_line_lengths_still_counts(debian: Node, authority: Authority) -> None:
    debian.run("apply")
    bundle = debian.root / BUNDLE[1:]
    head, *body, foot = authority.pem.splitlines()
    rewrapped = "\n".join([head, "".join(body), foot, ""])
    bundle.write_text(bundle.read_text().replace(authority.pem, rewrapped))
    assert debian.run("check").status == 0


@dash_only
def test_leftovers_of_a_killed_rebuild_do_not_spoil_the_bundle(debian: Node) -> None:
    shutil.copy(debian.root / BUNDLE[1:], debian.root / f"{BUNDLE[1:]}.new")
    debian.run("apply")
    assert debian.read(BUNDLE).count(b"BEGIN") == 3


@pytest.mark.parametrize("step", ["add", "drop"])
def test_the_next_run_rebuilds_the_store_after_a_kill_before_it(
    debian: Node, authority: Authority, second_authority: Authority, step: str
) -> None:
    first, then = ([authority], [authority, second_authority])[:: 1 if step == "add" else -1]
    debian.run("apply", **trust(*first))
    tool = debian.root / "usr/sbin/update-ca-certificates"
    good = tool.read_text()
    executable(tool, "#!/bin/sh\nkill -9 $PPID\n")
    assert debian.run("apply", **trust(*then)).status < 0
    executable(tool, good)
    assert debian.run("check", **trust(*then)).status == 3
    assert "store" in str(debian.run("apply", **trust(*then)).answer["what"])
    assert has(debian.read(BUNDLE), second_authority) is (second_authority in then)
    assert debian.run("check", **trust(*then)).status == 0
    assert not list((debian.root / "etc/rancher/k3s").glob("*pending"))


def test_links_by_hash_are_created_after_a_kill_before_them(debian: Node, authority: Authority, openssl: str) -> None:
    tool = debian.root / "usr/sbin/update-ca-certificates"
    good = tool.read_text()
    killed = f"find '{debian.root}/etc/ssl/certs' -name '*.0' -delete\nkill -9 $PPID\n"
    executable(tool, good.replace("exec ", "") + killed)
    assert debian.run("apply").status < 0
    executable(tool, good)
    assert debian.run("apply").stderr == ""
    assert verifies_by_folder(debian, authority, openssl)
    assert dangling(debian) == []
    assert debian.run("apply").answer["changed"] is False


def test_a_rebuild_that_someone_elses_run_spoilt_is_repeated(debian: Node, authority: Authority) -> None:
    tool = debian.root / "usr/sbin/update-ca-certificates"
    good = tool.read_text()
    marker = debian.root / "tmp/spoilt"
    spoil = f'[ -e {marker} ] || {{ : >{marker}; : >"{debian.root}{BUNDLE}"; exit 0; }}\n'
    executable(tool, good.replace("#!/bin/sh\n", f"#!/bin/sh\n{spoil}"))
    assert debian.run("apply").stderr == ""
    assert has(debian.read(BUNDLE), authority)


def test_a_failing_tool_is_named_with_its_message(debian: Node) -> None:
    executable(debian.root / "usr/sbin/update-ca-certificates", "#!/bin/sh\necho 'disk on fire' >&2\nexit 1\n")
    sentence = debian.run("apply").sentence
    assert "after update-ca-certificates (disk on fire)" in sentence


# The other layouts: (anchors, bundle, tool). The tool joins a base and the anchors, re-wrapping lines as p11-kit may.
LAYOUTS = {
    "rhel": (
        "/etc/pki/ca-trust/source/anchors",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "update-ca-trust",
    ),
    "suse": ("/etc/pki/trust/anchors", "/var/lib/ca-certificates/ca-bundle.pem", "update-ca-certificates"),
    "alpine": ("/usr/local/share/ca-certificates", BUNDLE, "update-ca-certificates"),
}
LINKS = """rm -f "$root"/etc/ssl/certs/ca-cert-*
for file in "$root"/usr/local/share/ca-certificates/*.crt; do
    [ ! -e "$file" ] || ln -s "$file" "$root/etc/ssl/certs/ca-cert-$(basename "$file" .crt).pem"
done"""


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layout_of_another_system_is_served(
    tmp_path: Path, shell: Shell, authority: Authority, second_authority: Authority, layout: str
) -> None:
    node = plain_node(tmp_path / "a root", shell, authority)
    node.settings["system_trust"] = "true"
    anchors, bundle, tool = LAYOUTS[layout]
    (node.root / anchors[1:]).mkdir(parents=True)
    base = new_authority("base").pem
    node.write(bundle, base)
    node.write("/base.pem", base)
    links = LINKS if layout == "alpine" else ":"
    executable(
        node.root / f"usr/sbin/{tool}",
        f"""#!/bin/sh
{'[ "$1" = extract ] || exit 7' if tool == "update-ca-trust" else ":"}
root=$K3S_REGISTRY_ROOT
{links}
cat "$root/base.pem" "$root{anchors}"/* >"$root{bundle}" 2>/dev/null
:
""",
    )
    before = node.tree()
    assert node.run("apply").stderr == ""
    assert has(node.read(bundle), authority)
    assert node.run("check").status == 0
    assert node.run("apply").answer["changed"] is False
    node.run("apply", **trust(second_authority))
    assert not has(node.read(bundle), authority)
    assert has(node.read(bundle), second_authority)
    node.run("remove", **trust(second_authority))
    assert node.tree() == before


@dash_only
def test_rebuilds_of_runs_that_overlap_do_not_overlap(debian: Node) -> None:
    tool = debian.root / "usr/sbin/update-ca-certificates"
    inside, overlap = debian.root / "inside", debian.root / "overlap"
    start = f"#!/bin/sh\nmkdir {inside} || : >{overlap}\n"
    end = f"\nsleep 0.2\nrmdir {inside}\n"
    executable(tool, tool.read_text().replace("#!/bin/sh\n", start).replace("exec ", "").rstrip() + end)
    runs = [debian.start("apply", **trust(new_authority(name))) for name in "abc"]
    for run in runs:
        run.communicate(timeout=60)
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert not overlap.exists()
    assert debian.read(BUNDLE).count(b"BEGIN") == 3


def test_a_certificate_without_a_link_that_finds_it_is_reported(debian: Node) -> None:
    tool = debian.root / "usr/sbin/update-ca-certificates"
    executable(tool, tool.read_text().replace("exec ", "") + f"find {debian.root}/etc/ssl/certs -name '*.0' -delete\n")
    assert "found no CA of ours in" in debian.run("apply").sentence
