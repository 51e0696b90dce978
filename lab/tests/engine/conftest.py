import asyncio
import contextlib
import shutil
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import yaml

from lab.engine import Engine
from lab.tests.plugins.command.ssh_servers import InProcessServer, private_text, public_line
from lab.tests.served_program import served
from lab.tests.stand_ins import engine_with_stand_ins

TINY = Path(__file__).with_name("tiny")
STACK = "test"


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The real CLI with the stand-ins."""
    return engine_with_stand_ins(tmp_path_factory.mktemp("engine"))


@contextlib.contextmanager
def in_thread(server: InProcessServer) -> Iterator[InProcessServer]:
    """`server`, running beside the test."""
    ready, done = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def body() -> None:
        loops.append(asyncio.get_running_loop())
        async with server.running():
            ready.set()
            await done.wait()

    thread = threading.Thread(target=lambda: asyncio.run(body()))
    thread.start()
    try:
        assert ready.wait(20)
        yield server
    finally:
        loops[0].call_soon_threadsafe(done.set)
        thread.join()


@dataclass(frozen=True)
class Stack:
    """A stack of the tiny program in a backend of its own, with a machine to configure."""

    engine: Engine
    project: Path
    server: InProcessServer
    record: Path

    def pulumi(self, *args: str, environment: Mapping[str, str] | None = None) -> CompletedProcess[str]:
        """Run the CLI; `--stack` is added, before a `--`."""
        end = args.index("--") if "--" in args else len(args)
        with served(self.project, args[0]) as program:
            return self.engine.run(
                [*args[:end], *program, "--stack", STACK, "--non-interactive", "--color", "never", *args[end:]],
                self.project,
                capture=True,
                timeout=120,
                extra_env=environment,
            )

    def up(self, environment: Mapping[str, str] | None = None) -> CompletedProcess[str]:
        return self.pulumi("up", "--yes", "--skip-preview", environment=environment)

    def set(self, **config: str) -> None:
        """Set config keys in the stack's file; the CLI would take a third of a second for each."""
        file = self.project / f"Pulumi.{STACK}.yaml"
        document = yaml.safe_load(file.read_text())
        document.setdefault("config", {}).update({f"tiny:{key}": value for key, value in config.items()})
        file.write_text(yaml.safe_dump(document))

    def output(self, name: str) -> str:
        shown: str = self.engine.outputs(STACK, self.project)[name]
        return shown.strip()

    @property
    def recorded(self) -> str:
        """The output of the delete commands."""
        return self.record.read_text() if self.record.exists() else ""


@dataclass(frozen=True)
class Snapshots:
    """The tiny project with its stack file, copies of the backend before and after the first `up`, and its output."""

    project: Path
    fresh: Path
    running: Path
    shown: str


@pytest.fixture(scope="session")
def server() -> Iterator[InProcessServer]:
    """The machine of the tiny program."""
    with in_thread(InProcessServer()) as running:
        yield running


@pytest.fixture(scope="session")
def snapshots(engine: Engine, server: InProcessServer, tmp_path_factory: pytest.TempPathFactory) -> Snapshots:
    folder = tmp_path_factory.mktemp("snapshots")
    project, fresh, running = folder / "tiny", folder / "fresh", folder / "running"
    shutil.copytree(TINY, project, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.rmtree(engine.backend, ignore_errors=True)
    first = Stack(engine, project, server, folder / "record")
    engine.ensure_stack(STACK, project)
    first.set(port=str(server.port), hostKey=public_line(server.host_key))
    done = first.pulumi("config", "set", "--secret", "sshPrivateKey", "--", private_text(server.client_key))
    assert done.returncode == 0, done.stderr
    shutil.copytree(engine.backend, fresh)
    done = first.up()
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.copytree(engine.backend, running)
    return Snapshots(project, fresh, running, done.stdout)


def restored(backend: Path, snapshots: Snapshots, engine: Engine, server: InProcessServer, folder: Path) -> Stack:
    """A stack of the test's own in a copy of `backend`; its delete commands write to `RECORD`."""
    project = folder / "tiny"
    shutil.copytree(snapshots.project, project)
    shutil.rmtree(engine.backend, ignore_errors=True)
    shutil.copytree(backend, engine.backend)
    return Stack(engine, project, server, folder / "record")


@pytest.fixture
def stack(
    snapshots: Snapshots, engine: Engine, server: InProcessServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Stack:
    """The stack before its first `up`."""
    made = restored(snapshots.fresh, snapshots, engine, server, tmp_path)
    monkeypatch.setenv("RECORD", str(made.record))
    return made


@pytest.fixture
def running(
    snapshots: Snapshots, engine: Engine, server: InProcessServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Stack:
    """The stack after its first `up`."""
    made = restored(snapshots.running, snapshots, engine, server, tmp_path)
    monkeypatch.setenv("RECORD", str(made.record))
    return made
