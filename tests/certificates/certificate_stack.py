"""A stack of the certificates alone, by the real engine, with a clock that a test can move."""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import yaml
from cryptography import x509

from lab.engine import Engine
from lab.plugins.tls.clock import VARIABLE
from lab.tests.served_program import served

PROGRAM = Path(__file__).with_name("program")
ADDRESS = "10.77.0.202"
PREFIX = "certificates-alone:"
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK9vzGeAGyDClVeJUe+UJ7C8zs5ip6h6jVzyj9/dcx4R"
DAY = 86400
CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", re.DOTALL)


@dataclass(frozen=True)
class Issued:
    """The certificates of a stack that are in force."""

    outputs: dict[str, Any]

    @property
    def bundle(self) -> list[x509.Certificate]:
        return certificates(self.outputs["bundle"])

    @property
    def served(self) -> list[x509.Certificate]:
        return certificates(self.outputs["server"])

    @property
    def server(self) -> x509.Certificate:
        return self.served[0]

    @property
    def issuer(self) -> x509.Certificate:
        return certificates(self.outputs["issuer"])[0]


def certificates(pem: str) -> list[x509.Certificate]:
    return [x509.load_pem_x509_certificate(text.encode()) for text in CERTIFICATE.findall(pem)]


def in_folder(engine: Engine, folder: Path) -> Engine:
    """The same engine with a backend of its own."""
    own = replace(engine, state=folder / "state")
    own.state.mkdir(parents=True)
    own.home.symlink_to(engine.home)
    return own


@dataclass(frozen=True)
class CertificateStack:
    """One stack in a project directory of its own."""

    engine: Engine
    name: str
    project: Path

    @property
    def file(self) -> Path:
        return self.project / f"Pulumi.{self.name}.yaml"

    def create(self) -> None:
        shutil.copytree(PROGRAM, self.project, ignore=shutil.ignore_patterns("__pycache__"))
        self.engine.ensure_stack(self.name, self.project)

    def copied(self, folder: Path, engine: Engine) -> "CertificateStack":
        """The same stack with a backend and a project directory of its own, run with this engine's plugins."""
        own = in_folder(engine, folder)
        shutil.copytree(self.engine.backend, own.backend)
        shutil.copytree(self.project, folder / "project")
        return CertificateStack(own, self.name, folder / "project")

    def run(
        self, *args: str, plan: dict[str, Any] | None = None, days: float = 0, **keys: str
    ) -> CompletedProcess[str]:
        """Run the CLI with these `certificates` and further keys, the tls plugin's clock moved by so many days."""
        values = {
            "hostname": "registry.cube.local",
            "aliases": ["registry"],
            "ip": ADDRESS,
            "nodes": {"cube01": {"host": "10.77.0.12", "hostKey": HOST_KEY}},
            "certificates": plan or {},
            **keys,
        }
        document = yaml.safe_load(self.file.read_text())
        secret = {key: value for key, value in document.get("config", {}).items() if isinstance(value, dict)}
        document["config"] = {f"{PREFIX}{key}": value for key, value in values.items()}
        document["config"] |= {key: value for key, value in secret.items() if "secure" in value}
        self.file.write_text(yaml.safe_dump(document))
        return self.pulumi(*args, days=days)

    def pulumi(self, *args: str, days: float = 0) -> CompletedProcess[str]:
        assert not days or self.engine.plugins()["tls"] == "stand-in", "the clock of upstream's plugin cannot be moved"
        moved = {VARIABLE: f"{days * DAY:+.0f}"} if days else {}
        end = args.index("--") if "--" in args else len(args)
        with served(self.project, args[0]) as program:
            return self.engine.run(
                [*args[:end], *program, "--stack", self.name, "--non-interactive", "--color", "never", *args[end:]],
                self.project,
                capture=True,
                timeout=120,
                extra_env=moved,
            )

    def set_secret(self, key: str, value: str) -> None:
        done = self.pulumi("config", "set", "--secret", key, "--", value)
        assert done.returncode == 0, done.stderr

    def up(self, plan: dict[str, Any] | None = None, *, days: float = 0, **keys: str) -> str:
        """The output of a `pulumi up` that must succeed."""
        done = self.run("up", "--yes", "--skip-preview", plan=plan, days=days, **keys)
        assert done.returncode == 0, done.stdout + done.stderr
        return said(done)

    def preview(self, plan: dict[str, Any] | None = None, *, days: float = 0, **keys: str) -> str:
        """The output of a `pulumi preview` that must succeed."""
        done = self.run("preview", plan=plan, days=days, **keys)
        assert done.returncode == 0, done.stdout + done.stderr
        return said(done)

    def issued(self) -> Issued:
        return Issued(self.engine.outputs(self.name, self.project))

    def urns(self) -> list[str]:
        return [entry["urn"] for entry in self.engine.resources(self.name, self.project)]

    def protected(self) -> set[str]:
        """Names of the resources that the state protects."""
        resources = self.engine.resources(self.name, self.project)
        return {entry["urn"].rpartition("::")[2] for entry in resources if entry.get("protect")}


Prepared = Callable[..., CertificateStack]
"""A stack after an `up` with each of such `certificates`, one after another; without any, before its first `up`."""
Deployed = Callable[..., CertificateStack]
"""The same, as a copy of the test's own."""


def said(done: CompletedProcess[str]) -> str:
    """The output of a run without line breaks and progress lines."""
    return " ".join((done.stdout + done.stderr).split())
