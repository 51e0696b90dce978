"""The Pulumi engine with its own home, backend and plugins, so that the user's are never touched."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import yaml

from lab import engine_process, toolchain
from lab.plugin_store import Origin, PluginStore, user_homes
from lab.program_folder import together
from lab.settings import PROJECT, Lab, LabError, cache_root

PASSPHRASE: Final = "lab"  # noqa: S105  # published: it guards a throwaway stack
"""The passphrase of every lab stack; the `encryptionsalt` in Pulumi.dev.yaml belongs to it."""

_OF_THE_USER: Final = (
    *("PULUMI_", "KUBECONFIG", "SSH_AUTH_SOCK", "SSH_AGENT_PID", "VIRTUAL_ENV"),
    "PYTHONDONTWRITEBYTECODE",  # each command would compile the program and the stand-ins again
)


def virtual_environment() -> Path:
    """The virtual environment that this process runs in, or else the project's own."""
    return Path(sys.prefix) if sys.prefix != sys.base_prefix else PROJECT / ".venv"


@dataclass(frozen=True)
class Engine:
    """One PULUMI_HOME and file backend, and how to run the CLI with them.

    Attributes:
        state: directory that holds `pulumi-home` and `backend`; created when needed.
        venv: virtual environment of the program.
        tools: directories with `pulumi`, `pulumi-language-python` and `pulumi-language-python-exec`.
        kubeconfig: the cluster to use; None means no cluster, whatever the user's own settings are.
        agent_socket: the ssh-agent to use; None means no agent.
        cache: directory for files that all labs share.
    """

    state: Path
    venv: Path
    tools: tuple[Path, ...]
    kubeconfig: Path | None = None
    agent_socket: Path | None = None
    cache: Path = field(default_factory=cache_root)

    @classmethod
    def of(cls, lab: Lab) -> Self:
        """The engine of `lab`, with the project's tools, which are built if they are missing."""
        return cls.at(lab.state, kubeconfig=lab.kubeconfig, agent_socket=lab.agent_socket)

    @classmethod
    def offline(cls) -> Self:
        """An engine without cluster and machines, for previews; needs no root."""
        return cls.at(cache_root() / "preview")

    @classmethod
    def at(cls, state: Path, *, kubeconfig: Path | None = None, agent_socket: Path | None = None) -> Self:
        """An engine whose state is in `state`, with the project's tools and virtual environment."""
        folders = together(toolchain.ensure(["pulumi", "pulumi-language"]), state / "tools")
        return cls(state, virtual_environment(), folders, kubeconfig, agent_socket)

    @property
    def home(self) -> Path:
        """PULUMI_HOME."""
        return self.state / "pulumi-home"

    @property
    def backend(self) -> Path:
        """The folder of the file backend."""
        return self.state / "backend"

    @cached_property
    def pulumi(self) -> Path:
        """The CLI.

        Raises:
            LabError: none of the directories contains it.
        """
        found = shutil.which("pulumi", path=self._path())
        if found is None:
            message = f"pulumi is in none of {', '.join(map(str, self.tools))}, nor on PATH: run make again to build it"
            raise LabError(message)
        return Path(found)

    @cached_property
    def _store(self) -> PluginStore:
        return PluginStore(self.home, self.venv, self.cache, user_homes())

    def environment(self) -> dict[str, str]:
        """This process's environment, without anything that leads to the user's stacks, clusters or keys."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(_OF_THE_USER)}
        made = {
            "HOME": str(Path.home()),
            "PULUMI_HOME": str(self.home),
            "PULUMI_BACKEND_URL": f"file://{self.backend}",
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            # Without a cluster this names a missing file: an unset variable would mean the user's ~/.kube/config.
            "KUBECONFIG": str(self.kubeconfig or self.state / "no-kubeconfig"),
            "VIRTUAL_ENV": str(self.venv),
            "PATH": self._path(),
        }
        if self.agent_socket is not None:
            made["SSH_AUTH_SOCK"] = str(self.agent_socket)
        if "stand-in" in self.plugins().values():
            made["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
        return {**kept, **made}

    def plugins(self) -> dict[str, Origin]:
        """The installed plugins and the origin of each; empty before `install_plugins`."""
        return self._store.origins()

    def install_plugins(self) -> dict[str, Origin]:
        """Install the plugins, upstream's where they can be downloaded, and return the origin of each.

        A download that receives nothing for 15 seconds is stopped; a refused one is not tried again for a day.
        A call that finds everything installed takes milliseconds.
        """
        return self._store.install(self.pulumi, self.environment())

    def ensure_stack(self, name: str, cwd: Path = PROJECT) -> None:
        """Create the stack `name` of the project in `cwd` unless it exists; Pulumi.<name>.yaml is not changed.

        Raises:
            LabError: the CLI failed; the message holds its output.
        """
        if self._stack_file(name, cwd).exists():
            return
        done = self.run(["stack", "init", name, "--secrets-provider", "passphrase", "--no-select"], cwd, capture=True)
        if done.returncode:
            message = f"stack {name} of {_project(cwd)} could not be created: {done.stderr.strip()}"
            raise LabError(message)

    def resources(self, name: str, cwd: Path = PROJECT) -> list[dict[str, Any]]:
        """The resources of a stack, as `pulumi stack export` shows them; empty before its first `up`, or without it.

        The backend's own file says the same, in no time: the CLI takes a third of a second to start.
        """
        file = self._stack_file(name, cwd)
        checkpoint = json.loads(file.read_text())["checkpoint"] if file.exists() else {}
        found: list[dict[str, Any]] = (checkpoint.get("latest") or {}).get("resources") or []
        return found

    def outputs(self, name: str, cwd: Path = PROJECT) -> dict[str, Any]:
        """The outputs of a stack, where secret ones remain encrypted; empty after a failed first `up`."""
        stacks = (one for one in self.resources(name, cwd) if one["type"] == "pulumi:pulumi:Stack")
        return next((one.get("outputs") or {} for one in stacks), {})

    def unlock(self, name: str, cwd: Path = PROJECT) -> None:
        """Remove the lock that a killed run left on the stack `name`; the caller knows that no run is in progress.

        Raises:
            LabError: the CLI failed; the message holds its output.
        """
        if not any((self.backend / ".pulumi" / "locks").rglob(f"{_project(cwd)}/{name}/*.json")):
            return
        done = self.run(["cancel", "--yes", "--stack", name], cwd, capture=True)
        if done.returncode:
            message = f"the lock of a killed run on stack {name} could not be removed: {done.stderr.strip()}"
            raise LabError(message)

    def run(
        self,
        args: Sequence[str],
        cwd: Path = PROJECT,
        *,
        netns: Path | None = None,
        extra_env: Mapping[str, str] | None = None,
        capture: bool = False,
        on_line: Callable[[str], object] | None = None,
        timeout: float | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run `pulumi` with `args` in `cwd`; a failure is only reported by the exit status.

        Args:
            args: arguments, with `--stack` for commands that need one: no stack is ever selected.
            cwd: the project's directory.
            netns: the file of the network namespace to run in, such as `Lab.lan_namespace_path`; needs root.
            extra_env: variables added to `environment`.
            capture: return the output as strings; otherwise it goes to this process's output.
            on_line: called with each line of either output stream as it arrives; no output is returned then.
            timeout: seconds after which the CLI is stopped as by Ctrl-C and `TimeoutExpired` is raised.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        self.backend.mkdir(parents=True, exist_ok=True)
        inside = ["nsenter", f"--net={netns}", "--"] if netns else []
        stream = subprocess.PIPE if capture or on_line else None
        with subprocess.Popen(
            [*inside, str(self.pulumi), *args],
            cwd=cwd,
            env={**self.environment(), **(extra_env or {})},
            stdin=subprocess.DEVNULL if stream else None,
            stdout=stream,
            stderr=subprocess.STDOUT if on_line else stream,
            text=True,
        ) as process:
            out, err = engine_process.wait(process, on_line, timeout)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def _stack_file(self, name: str, cwd: Path) -> Path:
        return self.backend / ".pulumi" / "stacks" / _project(cwd) / f"{name}.json"

    def _path(self) -> str:
        folders = [self.venv / "bin", *self.tools]
        return os.pathsep.join([*map(str, folders), os.environ.get("PATH", os.defpath)])


def _project(folder: Path) -> str:
    """The name of the Pulumi project in `folder`."""
    return str(yaml.safe_load((folder / "Pulumi.yaml").read_text())["name"])
