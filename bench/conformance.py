"""OCI's conformance suite against the deployed endpoint, compared case by case with the same registry on its own.

The suite judges a registry; what is in question here is only whether the deployment takes away anything of it.
"""

import contextlib
import os
import socket
import subprocess
import tempfile
import time
import urllib.request
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.deployed import CREDENTIALS, DeployedRegistry, credentials
from lab import toolchain
from lab.images import FILES
from lab.progress import say, step
from lab.settings import Lab, LabError

VERSION = "1.1"
"""Of the distribution specification."""
PASSED = "passed"
SECONDS = 300
START_SECONDS = 30
REPOSITORIES = "conformance"


@dataclass(frozen=True, kw_only=True)
class Results:
    """The results of one run of the suite."""

    cases: Mapping[str, Counter[str]]
    """How often each case that the suite lists had each status: a case runs once per manifest, in any order."""
    counted: int
    """Cases with all of their steps, which the suite counts but does not list."""
    failed: int
    skipped: int

    def __str__(self) -> str:
        return f"cases={self.counted} failed={self.failed} skipped={self.skipped}"


def read(junit: str) -> Results:
    """The results in the suite's report.

    Raises:
        LabError: the report has no case, so the suite did not run.
    """
    # The suite was built here and wrote this file; nobody else did.
    root = ET.fromstring(junit)  # noqa: S314
    cases: dict[str, Counter[str]] = {}
    for case in root.iter("testcase"):
        cases.setdefault(case.get("name", ""), Counter())[case.get("status", "")] += 1
    if not cases:
        message = "the conformance suite reports no case: it must have at least one"
        raise LabError(message)
    counts = [int(root.get(key, "0")) for key in ("tests", "failures", "errors", "skipped")]
    return Results(cases=cases, counted=counts[0], failed=counts[1] + counts[2], skipped=counts[3])


def lost(alone: Results, deployed: Results) -> list[str]:
    """What passes on its own and not behind the deployment, as sentences; empty if the deployment costs nothing."""
    found = [
        f"{name} passes {statuses[PASSED]} times on its own and {passes} times behind the deployment"
        for name, statuses in alone.cases.items()
        if (passes := deployed.cases.get(name, Counter())[PASSED]) < statuses[PASSED]
    ]
    # Some steps are only counted.
    if not found and (deployed.counted, deployed.failed, deployed.skipped) != (
        alone.counted,
        alone.failed,
        alone.skipped,
    ):
        found.append(f"the suite counts {alone} on its own and {deployed} behind the deployment")
    return found


def run(lab: Lab) -> tuple[Results, list[str]]:
    """Run the suite twice, and return the deployed registry's results and what the deployment took away.

    Raises:
        LabError: the lab is not up, or a run did not happen.
    """
    target = DeployedRegistry.of(lab)
    programs = toolchain.ensure(["conformance", "registry"])
    reports = lab.state / REPOSITORIES
    with step("the conformance suite against the registry alone"), _alone(programs["registry"]) as port:
        settings = {"OCI_REGISTRY": f"127.0.0.1:{port}", "OCI_TLS": "disabled"}
        alone = _suite([str(programs["conformance"])], reports / "alone", settings)
    say(f"registry alone: {alone}")
    with step("the conformance suite against the deployed registry"), target.authority() as authority:
        settings = {"OCI_REGISTRY": target.endpoint, "OCI_TLS": "enabled", "SSL_CERT_FILE": str(authority)}
        command = lab.in_lan(str(programs["conformance"]))
        deployed = _suite(command, reports / "deployed", {**settings, **credentials()})
    say(f"reports: {reports}")
    target.empty(REPOSITORIES)
    return deployed, lost(alone, deployed)


def _suite(command: list[str], reports: Path, settings: Mapping[str, str]) -> Results:
    inherited = {name: value for name, value in os.environ.items() if name not in CREDENTIALS}
    fixed = {
        "OCI_VERSION": VERSION,
        "OCI_LOG": "error",
        "OCI_RESULTS_DIR": str(reports),
        "OCI_REPO1": f"{REPOSITORIES}/one",
        "OCI_REPO2": f"{REPOSITORIES}/two",
        # It may name a proxy, which reaches neither loopback nor the lab.
        "NO_PROXY": "*",
    }
    report = reports / "junit.xml"
    report.unlink(missing_ok=True)
    # It ends with 1 where any case fails, which is no error here: what it has written decides.
    done = subprocess.run(
        command, env={**inherited, **fixed, **settings}, capture_output=True, text=True, check=False, timeout=SECONDS
    )
    if not report.exists():
        message = f"the conformance suite wrote no report: {(done.stderr or done.stdout).strip()[-500:]}"
        raise LabError(message)
    return read(report.read_text())


@contextlib.contextmanager
def _alone(registry: Path) -> Iterator[int]:
    """The registry on loopback, without TLS and without anything of ours, while the block runs; yields its port."""
    with tempfile.TemporaryDirectory() as folder:
        port = _free_port()
        log = Path(folder) / "log"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("REGISTRY_")}
        settings = {
            "REGISTRY_HTTP_ADDR": f"127.0.0.1:{port}",
            "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": f"{folder}/images",
            # As the deployment does by default.
            "REGISTRY_STORAGE_DELETE_ENABLED": "true",
            "OTEL_TRACES_EXPORTER": "none",
        }
        with (
            log.open("wb") as output,
            subprocess.Popen(
                [str(registry), "serve", str(FILES / "registry.yml")],
                env={**kept, **settings},
                stdout=output,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            try:
                _wait(port, process, log)
                yield port
            finally:
                process.terminate()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(OSError), opener.open(f"http://127.0.0.1:{port}/v2/", timeout=2):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            message = f"the registry did not start on loopback: {log.read_text()[-500:]}"
            raise LabError(message)
        time.sleep(0.1)
