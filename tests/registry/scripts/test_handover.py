"""The server and the collector exclude each other by the kernel's locks, whoever dies."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from components.registry.handover import scripts
from lab.tests.waiting import wait_until

SERVER = 'echo start >>"$events"; trap "echo end >>$events; exit 0" TERM; while :; do sleep 0.05; done'
SECONDS = 20


class Registry:
    """The supervised server in one shell, with a stand-in for the registry."""

    def __init__(self, shell: tuple[str, ...], programs: Path, folder: Path) -> None:
        self.claim = folder / "claim"
        self.images = self.claim / "registry"
        self.images.mkdir(parents=True)
        self.events = folder / "events"
        self.events.touch()
        self.shell = shell
        self.script = folder / "serve.sh"
        self.script.write_text(scripts()["serve.sh"].replace('\n"$@"\n', '\nserver_answers() { :; }\n"$@"\n'))
        self.environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "claim": str(self.claim),
            "images": str(self.images),
            "events": str(self.events),
            "hand_over_seconds": "1",
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, server: str = SERVER) -> None:
        """Start the supervised server."""
        command = [*self.shell, str(self.script), "serve", "sh", "-c", server]
        self.process = subprocess.Popen(command, env=self.environment, start_new_session=True)

    def asks(self, word: str) -> bool:
        """The answer to one of the kubelet's questions."""
        return subprocess.run([*self.shell, str(self.script), word], env=self.environment, check=False).returncode == 0

    def happened(self) -> list[str]:
        """The server's starts and ends so far."""
        return self.events.read_text().split()

    @contextmanager
    def collector(self, *, gets_images: bool = True) -> Iterator[subprocess.Popen[bytes]]:
        """A collector that asks for the images, and holds them where they are free."""
        command = 'exec 8<"$claim" 9<"$images"; flock -x 8; flock -x 9; echo collect >>"$events"; exec sleep 60'
        process = subprocess.Popen([*self.shell, "-c", command], env=self.environment, start_new_session=True)
        try:
            if gets_images:
                wait_until(lambda: "collect" in self.happened(), SECONDS, "the collector has the images")
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def registry(shell: tuple[str, ...], programs: Path, tmp_path: Path) -> Iterator[Registry]:
    made = Registry(shell, programs, tmp_path)
    yield made
    if made.process is not None:
        if made.process.poll() is None:
            os.killpg(made.process.pid, signal.SIGKILL)
        made.process.wait()


def test_the_server_ends_before_the_collection_and_starts_after_it(registry: Registry) -> None:
    registry.start()
    wait_until(lambda: registry.happened() == ["start"], SECONDS, "the server has started")
    assert registry.asks("ready")
    with registry.collector():
        assert registry.happened() == ["start", "end", "collect"]
        time.sleep(2)
        assert registry.happened() == ["start", "end", "collect"], "no server beside a collection"
        assert registry.asks("alive")
        assert not registry.asks("ready")
    wait_until(lambda: registry.happened()[3:] == ["start"], SECONDS, "the server has started again")
    assert registry.asks("ready")


def test_a_server_that_is_asked_is_not_ready_and_still_serves(registry: Registry) -> None:
    registry.environment["hand_over_seconds"] = "5"
    registry.start()
    wait_until(lambda: registry.happened() == ["start"], SECONDS, "the server has started")
    with registry.collector(gets_images=False):
        wait_until(lambda: not registry.asks("ready"), SECONDS, "it is not ready")
        assert registry.happened() == ["start"]


def test_a_collector_that_dies_while_it_waits_stops_nothing(registry: Registry) -> None:
    registry.environment["hand_over_seconds"] = "2"
    registry.start()
    wait_until(lambda: registry.happened() == ["start"], SECONDS, "the server has started")
    with registry.collector(gets_images=False):
        time.sleep(1.2)
    time.sleep(3)
    assert registry.happened() == ["start"]
    assert registry.asks("ready")


def test_a_server_that_starts_during_a_collection_waits(registry: Registry) -> None:
    with registry.collector():
        registry.start()
        time.sleep(1.5)
        assert registry.happened() == ["collect"]
    wait_until(lambda: registry.happened() == ["collect", "start"], SECONDS, "the server has started")


def test_what_a_dead_collector_left_in_the_images_is_removed(registry: Registry) -> None:
    tags = registry.images / "docker/registry/v2/repositories/app/_manifests/tags"
    with registry.collector():
        (tags / "k3s-registry-hold-aa").mkdir(parents=True)
        (tags / "latest").mkdir()
        registry.start()
        time.sleep(1.2)
    wait_until(lambda: registry.happened() == ["collect", "start"], SECONDS, "the server has started")
    assert [path.name for path in tags.iterdir()] == ["latest"]


def test_the_end_of_the_pod_ends_the_server_first(registry: Registry) -> None:
    registry.start()
    wait_until(lambda: registry.happened() == ["start"], SECONDS, "the server has started")
    assert registry.process is not None
    registry.process.terminate()
    assert registry.process.wait(SECONDS) == 0
    assert registry.happened() == ["start", "end"]


def test_the_end_of_a_server_by_itself_ends_the_container(registry: Registry) -> None:
    registry.start("exit 3")
    assert registry.process is not None
    assert registry.process.wait(SECONDS) == 3


def test_a_pod_ends_while_it_waits_for_a_collection(registry: Registry) -> None:
    with registry.collector():
        registry.start()
        time.sleep(1.2)
        assert registry.process is not None
        registry.process.terminate()
        assert registry.process.wait(SECONDS) == 0
    assert registry.happened() == ["collect"]
