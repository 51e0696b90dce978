"""The stack that a command is about, as the pulumi CLI knows it."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from components.config.model import StackConfig
from components.config.parse import ConfigError, parse
from components.config.source import decode
from ops.failure import OpsError

PROJECT: Final = Path(__file__).parents[1]
"""The directory with Pulumi.yaml and the stack files."""
_PREFIX: Final = "k3s-registry:"


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack of this project. Asking it needs what `pulumi preview` needs: the backend, and the passphrase if any."""

    name: str | None = None
    """None: the one that `pulumi stack select` chose."""

    def outputs(self, *, with_secrets: bool = False) -> Mapping[str, Any]:
        """The stack's outputs by their public names; without secrets, a secret one is `[secret]`.

        Raises:
            OpsError: the CLI refuses, or the stack has no outputs yet.

        """
        values = self._json("stack", "output", "--json", *(["--show-secrets"] if with_secrets else []))
        if not values:
            message = f"{self} has no outputs yet: run `pulumi up` first"
            raise OpsError(message)
        return values

    def resources(self) -> list[Mapping[str, Any]]:
        """The resources of the state, whose outputs are there after a failed `up` too; secrets stay encrypted.

        Raises:
            OpsError: the CLI refuses.

        """
        return list(self._json("stack", "export")["deployment"].get("resources", []))

    def file(self) -> Path:
        """Its stack file, whether it exists or not.

        Raises:
            OpsError: no stack is named and none is selected, or the CLI refuses.

        """
        name = self.name or self._pulumi("stack", "--show-name").strip()
        return PROJECT / f"Pulumi.{name.rpartition('/')[2]}.yaml"

    def create(self) -> None:
        """Create the stack unless it exists, with the user's own provider of secrets, and select it.

        Raises:
            OpsError: the CLI refuses: nobody is logged in, or the passphrase is not set.

        """
        self._pulumi("stack", "select", "--create")

    def set_secret(self, key: str, value: str) -> None:
        """Write a secret into the stack file, encrypted.

        Raises:
            OpsError: the CLI refuses.

        """
        self._pulumi("config", "set", "--secret", f"{_PREFIX}{key}", stdin=value)

    def configuration(self, *, missing: Mapping[str, Any] | None = None) -> StackConfig:
        """The checked configuration.

        Args:
            missing: values for keys that the stack has not, or has empty.

        Raises:
            OpsError: the CLI refuses, or the configuration has problems; the message lists all of them.

        """
        # Secrets are decrypted, since the parser checks them too; they stay in memory.
        entries = self._json("config", "--json", "--show-secrets")
        # The CLI prints each value as the string that it passes to the program.
        document = decode({key: entry.get("value", "") for key, entry in entries.items()}, _PREFIX)
        document |= {key: value for key, value in (missing or {}).items() if not document.get(key)}
        try:
            return parse(
                document,
                encrypted=[key.removeprefix(_PREFIX) for key, entry in entries.items() if entry["secret"]],
            )
        except ConfigError as error:
            raise OpsError(str(error)) from None

    def __str__(self) -> str:
        """For messages."""
        return f"stack {self.name}" if self.name else "the selected stack"

    def _json(self, *arguments: str) -> dict[str, Any]:
        return dict(json.loads(self._pulumi(*arguments)))

    def _pulumi(self, *arguments: str, stdin: str = "") -> str:
        command = ["pulumi", *arguments, "--non-interactive", *(["--stack", self.name] if self.name else [])]
        try:
            done = subprocess.run(command, cwd=PROJECT, input=stdin, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            message = "pulumi is not on PATH: this command asks it for the stack; install it (README, Requirements)"
            raise OpsError(message) from None
        if done.returncode:
            message = f"`{' '.join(command)}` failed: {done.stderr.strip() or done.stdout.strip()}"
            raise OpsError(message)
        return done.stdout
