"""A file that cannot be written is refused by its name, before the first one is changed."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from components.nodes.script import render
from tests.nodes.scripts.node import CA_FILE, CERTS, REGISTRY, Node, dash_only
from tests.nodes.scripts.test_trust_refusals import assert_refused

YAML = "/etc/rancher/k3s/registries.yaml"
TOML = f"{CERTS}/{REGISTRY}/hosts.toml"
OWNERS = "/etc/rancher/k3s/k3s-registry-nodes"


def link(node: Node, path: str, target: str) -> None:
    place = node.root / path[1:]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(target)


@pytest.mark.parametrize("target", ["/nowhere/secrets/file", "beside"])
@pytest.mark.parametrize("path", [CA_FILE, YAML, TOML, OWNERS])
def test_a_link_that_leads_nowhere_is_refused(node: Node, path: str, target: str) -> None:
    link(node, path, target)
    assert_refused(node, f"{path} cannot be written", f"is a link to {target}")


def test_a_link_into_what_cannot_be_written_is_refused(node: Node) -> None:
    # Nobody can create a file in /proc.
    link(node, "/etc/hosts", "/proc/version")
    assert_refused(node, "/etc/hosts cannot be written")


@pytest.mark.parametrize("directory", ["/etc/rancher", "/etc/rancher/k3s", CERTS])
def test_a_directory_that_leads_nowhere_is_refused(node: Node, directory: str) -> None:
    link(node, directory, "/nowhere/store")
    assert_refused(node, "cannot be written", f"{directory} is a link to /nowhere/store")


@pytest.mark.parametrize("path", [CA_FILE, YAML, TOML, OWNERS])
def test_a_file_that_is_a_directory_is_refused(node: Node, path: str) -> None:
    node.write(f"{path}/of/others", "")
    assert_refused(node, path)


@pytest.mark.parametrize("directory", ["/etc/rancher", CERTS])
def test_a_directory_that_is_a_file_is_refused(node: Node, directory: str) -> None:
    node.write(directory, "")
    assert_refused(node, "cannot be written", f"{directory} is no directory")


@pytest.mark.parametrize("directory", ["/etc/rancher", "/etc/rancher/k3s", CERTS])
def test_a_directory_in_what_cannot_be_written_is_refused(node: Node, directory: str) -> None:
    link(node, directory, "/proc")
    assert_refused(node, f"{directory}/", "cannot be written")


@pytest.mark.parametrize("attribute", ["i", "a"])
@pytest.mark.parametrize("path", ["etc/hosts", "etc/rancher/k3s/registries.yaml", "etc/rancher/k3s"])
def test_what_an_attribute_makes_unchangeable_is_refused(node: Node, path: str, attribute: str) -> None:
    node.write(YAML, "mirrors:\n")
    place = node.root / path
    if place.is_dir():
        attribute = "i"
    chattr = shutil.which("chattr")
    if chattr is None or subprocess.run([chattr, f"+{attribute}", place], capture_output=True, check=False).returncode:
        pytest.skip("this file system has no such attribute, or chattr is not installed")
    try:
        assert_refused(node, f"/{path}", "cannot be written: Operation not permitted")
    finally:
        subprocess.run([chattr, f"-{attribute}", place], check=True)


def test_a_store_that_cannot_be_written_is_refused_with_the_way_on(debian: Node) -> None:
    shutil.rmtree(debian.root / "usr/local/share/ca-certificates")
    (debian.root / "usr/local/share/ca-certificates").symlink_to("/proc")
    assert_refused(debian, "/usr/local/share/ca-certificates/k3s-registry-", "set systemTrust: false")


@dash_only
@pytest.mark.parametrize("path", ["etc/hosts", "etc/rancher", "etc"])
def test_a_read_only_file_system_is_refused(node: Node, path: str, tmp_path: Path) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed")
    node.write(YAML, "mirrors:\n")
    before = node.tree(times=True)
    place, stdin = node.root / path, tmp_path / "stdin"
    stdin.write_text(render(node.script, node.settings))
    mount = f"mount --bind '{place}' '{place}' && mount -o remount,ro,bind '{place}'"
    command = f"{mount} && exec env PATH={node.shell.tools} {' '.join(node.shell.argv)} -s -- apply <'{stdin}'"
    outcome = subprocess.run(
        ["unshare", "--mount", "sh", "-c", command],
        env=node.environment() | {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    if "unshare failed" in outcome.stderr or "permission denied" in outcome.stderr:
        pytest.skip("needs the right to mount")
    assert "Read-only file system" in outcome.stderr
    assert f"/{path}" in outcome.stderr
    assert outcome.returncode == 1
    assert node.tree(times=True) == before


def test_a_file_that_is_as_it_should_be_need_not_be_writable(node: Node) -> None:
    node.run("apply")
    real = node.root / CA_FILE[1:]
    real.rename(real.with_name("real"))
    real.symlink_to("real")
    assert node.run("apply").answer["changed"] is False


@dash_only
def test_a_run_that_succeeds_reports_nothing_harmless(node: Node, wrap: Callable[[str, str], None]) -> None:
    """Since a failure shows the last line that was reported."""
    seen = node.root / "tmp/seen"
    wrap("rm", f'for last; do :; done; [ ! -s "$last/err" ] || cat "$last/err" >>"{seen}"; exec "$real" "$@"')
    for verb in ("apply", "apply", "check", "remove"):
        node.run(verb)
    assert not seen.exists(), seen.read_text()
