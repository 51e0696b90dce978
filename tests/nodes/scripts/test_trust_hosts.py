"""The block in the hosts file: everything else in the file stays, byte for byte."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from components.nodes.script import TRUST, render
from tests.authority import Authority, new_authority
from tests.nodes.scripts.node import Node, plain_node
from tests.nodes.scripts.shells import Shell, create_shell
from tests.nodes.scripts.test_trust_refusals import assert_refused

BEGIN, END = "# BEGIN k3s-registry\n", "# END k3s-registry\n"
BLOCK = f"{BEGIN}10.77.0.202 registry.cube.local registry\n{END}".encode()

AUTHORITY = new_authority()
lines = st.one_of(
    st.sampled_from(
        [
            b"",
            b"127.0.0.1 localhost",
            b"\t ::1  ip6-localhost\t",
            b"10.0.0.1 other.local # registry.cube.local",
            b"# k3s-registry registry.cube.local:5000",
            b"# BEGIN k3s-registry of another tool",
            b"# END k3s-registry of another tool",
            b"## BEGIN k3s-registry",
            b"# BEGIN other tool",
            b"# END other tool",
            b"10.77.0.202 registry.cube.local",
            "10.0.0.2 käse ☃".encode(),
            b"\xff\xfe \\n %s \\1 & $HOME `x`",
        ]
    ),
    st.binary(max_size=12).map(lambda raw: raw.translate(None, b"\x00\n")),
)
contents = st.tuples(st.lists(st.tuples(lines, st.sampled_from([b"\n", b"\r\n"]))), lines).map(
    lambda drawn: b"".join(line + end for line, end in drawn[0]) + drawn[1]
)


def one_run(root: Path, shell: Shell, content: bytes) -> Node:
    node = plain_node(root, shell, AUTHORITY)
    node.write("/etc/hosts", content)
    return node


@pytest.fixture(scope="module")
def dash(tmp_path_factory: pytest.TempPathFactory) -> Shell:

    created = create_shell("dash", tmp_path_factory.mktemp("dash") / "bin")
    if created is None:
        pytest.skip("dash is not installed")
    return created


@given(content=contents)
@example(content=b"")
@example(content=b"\n")
@example(content=b"\n\n")
@example(content=b"no newline")
@example(content=b"\r\n")
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_content_survives_apply_and_remove(dash: Shell, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        node = one_run(Path(directory) / "root", dash, content)
        assert node.run("apply").stderr == ""
        applied = node.read("/etc/hosts")
        assert applied.startswith(content)
        assert node.run("apply").answer["changed"] is False
        assert node.run("remove").stderr == ""
        assert node.read("/etc/hosts") == content


@pytest.mark.parametrize("content", [b"a", b"", b"a\n", b"a\r\n\r\n", b"\n"])
def test_the_end_of_the_file_is_restored(node: Node, content: bytes) -> None:
    node.write("/etc/hosts", content)
    node.run("apply")
    node.run("remove")
    assert node.read("/etc/hosts") == content


def test_lines_added_after_the_block_stay(node: Node) -> None:
    node.write("/etc/hosts", b"a b")
    node.run("apply")
    with (node.root / "etc/hosts").open("ab") as hosts:
        hosts.write(b"10.0.0.9 later")
    assert node.run("apply").answer["changed"] is False
    node.run("remove")
    assert node.read("/etc/hosts") == b"a b\n10.0.0.9 later"


def test_remove_refuses_a_block_without_its_end(node: Node) -> None:
    node.run("apply")
    content = node.read("/etc/hosts").replace(END.encode(), b"")
    node.write("/etc/hosts", content)
    assert "without END" in node.run("remove").sentence
    assert node.read("/etc/hosts") == content


def test_the_block_is_renewed_in_its_place(node: Node) -> None:
    node.write("/etc/hosts", b"a b\n" + BLOCK.replace(b".202", b".201") + b"c d\n")
    node.run("apply")
    assert node.read("/etc/hosts") == b"a b\n" + BLOCK + b"c d\n"


def test_a_doubled_block_becomes_one(node: Node) -> None:
    node.write("/etc/hosts", b"a b\n" + BLOCK + b"c d\n" + BLOCK)
    node.run("apply")
    assert node.read("/etc/hosts") == b"a b\n" + BLOCK + b"c d\n"


TEMPLATES = ("alpine", "debian", "redhat", "suse")


@pytest.mark.parametrize(
    ("release", "templates"),
    [
        ("ID=debian\n", ["debian"]),
        ('ID=ubuntu\nID_LIKE="debian"\n', ["debian"]),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', ["redhat"]),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', ["suse"]),
        ("ID=alpine\n", ["alpine"]),
        ("ID=openEuler\n", TEMPLATES),
        (None, TEMPLATES),
    ],
)
def test_the_template_of_cloud_init_contains_the_block_too(
    node: Node, release: str | None, templates: list[str]
) -> None:
    """Whatever cloud-init's settings say: they are in some ten places, and an unused template has no effect."""
    if release is not None:
        node.write("/etc/os-release", release)
    for system in TEMPLATES:
        node.write(f"/etc/cloud/templates/hosts.{system}.tmpl", "## template:jinja\n127.0.0.1 {{fqdn}}\n")
    before = node.tree()
    assert node.run("apply").stderr == ""
    folder = node.root / "etc/cloud/templates"
    carrying = sorted(path.name for path in folder.iterdir() if BLOCK in path.read_bytes())
    assert carrying == [f"hosts.{system}.tmpl" for system in templates]
    assert BLOCK in node.read("/etc/hosts")
    assert node.run("check").status == 0
    node.run("remove")
    assert node.tree() == before


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/var/lib/cloud/instance/vendor-cloud-config.txt", "#cloud-config\n\n---\nmanage_etc_hosts: true\n"),
        ("/var/lib/cloud/instance/vendor2-cloud-config.txt", "#cloud-config\nmanage_etc_hosts: 'yes'\n"),
        ("/etc/cloud/cloud.cfg.d/99-house.cfg", '"manage_etc_hosts": true\n'),
        ("/run/cloud-init/cloud.cfg", '{"manage_etc_hosts": 1}\n'),
    ],
    ids=["vendor data", "vendor data 2", "quoted key", "JSON at run time"],
)
def test_wherever_cloud_init_is_told_to_write_the_hosts_file_it_keeps_the_block(
    node: Node, path: str, text: str
) -> None:
    template = "/etc/cloud/templates/hosts.debian.tmpl"
    node.write("/etc/os-release", "ID=debian\n")
    node.write(template, "## template:jinja\n127.0.1.1 {{fqdn}} {{hostname}}\n127.0.0.1 localhost\n")
    node.write(path, text)
    before = node.tree()
    assert node.run("apply").status == 0
    assert BLOCK in node.read(template)
    node.run("remove")
    assert node.tree() == before


WSL = "# This file was automatically generated by WSL. To stop automatic generation, ...\n127.0.0.1 localhost\n"


@pytest.mark.parametrize("settings", [None, "[boot]\nsystemd=true\n", "[network]\n# generateHosts = false\n"])
def test_a_hosts_file_that_wsl_writes_at_each_start_is_refused(node: Node, settings: str | None) -> None:
    node.write("/etc/hosts", WSL)
    if settings is not None:
        node.write("/etc/wsl.conf", settings)
    assert_refused(node, "WSL writes anew", "generateHosts=false below [network] in /etc/wsl.conf")


@pytest.mark.parametrize("setting", ["generateHosts=false", "  generatehosts = False\r"])
def test_a_hosts_file_that_wsl_leaves_alone_gets_the_block(node: Node, setting: str) -> None:
    node.write("/etc/hosts", WSL)
    node.write("/etc/wsl.conf", f"[network]\n{setting}\n")
    assert node.run("apply").status == 0


def test_a_hosts_file_that_is_a_mount_is_rewritten_in_place(tmp_path: Path, shell: Shell, authority: Authority) -> None:
    node = plain_node(tmp_path / "root", shell, authority)
    mounted = node.write("/srv/hosts", b"a b\n")
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed")
    hosts, tmp = node.root / "etc/hosts", tmp_path / "stdin"
    tmp.write_text(render(TRUST, node.settings))
    command = (
        f"mount --bind '{mounted}' '{hosts}' && exec env PATH={shell.tools} {' '.join(shell.argv)} -s -- apply <'{tmp}'"
    )
    outcome = subprocess.run(
        ["unshare", "--mount", "sh", "-c", command],
        env=node.environment() | {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    if "unshare failed" in outcome.stderr or "permission denied" in outcome.stderr:
        pytest.skip("needs the right to mount")
    assert outcome.stderr == ""
    assert mounted.read_bytes() == b"a b\n" + BLOCK
    assert sorted(path.name for path in (node.root / "etc").iterdir()) == ["hosts", "rancher"]
