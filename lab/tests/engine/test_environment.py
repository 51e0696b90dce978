import os
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from lab.engine import Engine
from lab.tests.stand_ins import WITHOUT_DOWNLOADS

pytestmark = pytest.mark.engine


def test_nothing_of_the_users_engine_cluster_or_keys_is_passed_on(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PULUMI_ACCESS_TOKEN", "PULUMI_BACKEND_URL", "PULUMI_STACK", "KUBECONFIG", "SSH_AUTH_SOCK"):
        monkeypatch.setenv(name, "the user's")
    made = engine.environment()
    assert "the user's" not in made.values()
    assert "SSH_AUTH_SOCK" not in made
    assert not Path(made["KUBECONFIG"]).exists()
    assert made["PULUMI_BACKEND_URL"] == f"file://{engine.backend}"


def test_a_lab_s_cluster_and_agent_are_passed_on(engine: Engine) -> None:
    made = replace(engine, kubeconfig=Path("/k"), agent_socket=Path("/a")).environment()
    assert (made["KUBECONFIG"], made["SSH_AUTH_SOCK"]) == ("/k", "/a")


def test_the_virtual_environment_comes_first_on_the_path(engine: Engine) -> None:
    path = engine.environment()["PATH"].split(os.pathsep)
    assert path[0] == str(engine.venv / "bin")
    assert set(map(str, engine.tools)) <= set(path)


def test_with_stand_ins_nothing_is_downloaded(engine: Engine) -> None:
    assert engine.plugins() == WITHOUT_DOWNLOADS
    assert engine.environment()["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true"


def test_the_engine_lists_them_as_its_plugins(engine: Engine, tmp_path: Path) -> None:
    listed = engine.run(["plugin", "ls"], tmp_path, capture=True).stdout
    for plugin in engine._store.wanted():
        assert f"{plugin.name}" in listed
        assert plugin.version in listed


def test_a_stack_that_was_never_created_has_no_outputs(engine: Engine, tmp_path: Path) -> None:
    """So that `make load` on a lab without a registry is one sentence and no stack trace."""
    assert replace(engine, state=tmp_path).outputs("dev") == {}


def test_a_failing_call_hands_its_status_and_words_to_the_caller(engine: Engine, tmp_path: Path) -> None:
    done = engine.run(["stack", "output"], tmp_path, capture=True)
    assert done.returncode != 0
    assert "no Pulumi.yaml" in done.stderr


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("nsenter"), reason="needs root and nsenter")
def test_the_engine_runs_in_a_network_namespace(engine: Engine, tmp_path: Path) -> None:
    with subprocess.Popen(["unshare", "--net", "sleep", "60"]) as holder:
        try:
            namespace = Path(f"/proc/{holder.pid}/ns/net")
            deadline = time.monotonic() + 10
            while namespace.readlink() == Path("/proc/self/ns/net").readlink() and time.monotonic() < deadline:
                time.sleep(0.01)
            shutil.copy("/bin/readlink", tmp_path / "pulumi")
            inside = replace(engine, venv=tmp_path, tools=(tmp_path,))
            object.__setattr__(inside, "pulumi", tmp_path / "pulumi")
            object.__setattr__(inside, "_store", engine._store)
            shown = inside.run(["/proc/self/ns/net"], tmp_path, netns=namespace, capture=True).stdout.strip()
            assert shown == str(namespace.readlink())
        finally:
            holder.terminate()


@pytest.mark.parametrize("name", [name for name, origin in WITHOUT_DOWNLOADS.items() if origin == "stand-in"])
def test_a_stand_in_lives_as_long_as_the_engine_that_started_it(engine: Engine, name: str) -> None:
    plugin = next(plugin for plugin in engine._store.wanted() if plugin.name == name)
    program = engine.home / "plugins" / plugin.folder / plugin.program
    script = '"$1" 127.0.0.1:1 & echo "pid $!"; wait'
    with subprocess.Popen(["sh", "-c", script, "sh", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        lines = [parent.stdout.readline(), parent.stdout.readline()]
        pid = next(int(line.split()[1]) for line in lines if line.startswith("pid"))
        assert any(line.strip().isdigit() for line in lines)
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()
