"""A stack that a former version deployed, previewed by the present program: an upgrade visits nodes at most.

`former/state.json` is what commit 3c321c8 left behind on a lab, as `pulumi stack export` shows it without source
positions, and `former/Pulumi.dev.yaml` is the stack file of that deployment. That lab had another Kubernetes plugin, so
the field `__inputs`, which upstream's keeps in the state, was added. Every secret in the state belongs to a lab that no
longer exists, and is encrypted under the published passphrase of all labs.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, Final

import pytest

from lab.engine import Engine
from lab.plugins.tls import clock
from lab.settings import PROJECT
from lab.tests.served_program import served

pytestmark = pytest.mark.engine

FORMER: Final = Path(__file__).with_name("former")
STATE: Final = (FORMER / "state.json").read_text()
STACK: Final = "dev"
MAY_CHANGE: Final = {
    "command:remote:Command",  # what nodes are told may change with the version of the program
    "pulumi:providers:kubernetes",  # its inputs hold the version of the installed SDK
}
"""Types of the resources that an upgrade may update in place."""
CONTAINER: Final = "spec.template.spec.containers[0]"
MAY_GAIN: Final = {"registry-server-deployment": (f"{CONTAINER}.env", f"{CONTAINER}.resources")}
"""Places to which an upgrade may add something, by the name of their resource."""
MAY_DIFFER: Final = {f"{CONTAINER}.lifecycle.preStop.sleep.seconds", "spec.template.spec.terminationGracePeriodSeconds"}
"""Places of these resources whose values an upgrade may change: how long a deleted pod serves."""

Preview = Callable[[str], CompletedProcess[str]]


@pytest.fixture
def preview(engine_with_clock: Engine, tmp_path: Path) -> Iterator[Preview]:
    """Previews the present program on a stack that has a given state, on the day when that was deployed."""
    engine = engine_with_clock
    shutil.rmtree(engine.backend, ignore_errors=True)
    engine.ensure_stack(STACK)

    def run(state: str) -> CompletedProcess[str]:
        file = tmp_path / "state.json"
        file.write_text(state)
        imported = engine.run(["stack", "import", "--stack", STACK, "--file", str(file)], capture=True, timeout=120)
        assert imported.returncode == 0, imported.stdout + imported.stderr
        environment = {
            # The end of the former `up`: a later day would have the certificates renewed.
            clock.VARIABLE: json.loads(state)["deployment"]["manifest"]["time"],
            # The path in the state; no file is there, since the cluster is never asked.
            "KUBECONFIG": "/nowhere/kubeconfig",
        }
        with served(PROJECT, "preview", environment) as program:
            return engine.run(
                ["preview", *program, "--json", "--stack", STACK, "--config-file", str(FORMER / "Pulumi.dev.yaml")],
                capture=True,
                timeout=120,
                extra_env=environment,
            )

    yield run
    # Other tests need a stack of this name that is empty.
    shutil.rmtree(engine.backend)


def damage(previewed: CompletedProcess[str]) -> dict[str, str]:
    """Every operation that an upgrade must not plan, by the name of its resource."""
    steps = json.loads(previewed.stdout)["steps"]
    return {step["urn"].split("::")[-1]: step["op"] for step in steps if not harmless(step)}


def harmless(step: dict[str, Any]) -> bool:
    """Whether an upgrade may plan this step."""
    *_, types, name = step["urn"].split("::")
    if step["op"] != "update" or types.rpartition("$")[2] in MAY_CHANGE:
        return step["op"] in ("same", "update")
    changes = step["detailedDiff"].items()
    return name in MAY_GAIN and all(
        place in MAY_DIFFER or (place.startswith(MAY_GAIN[name]) and change["kind"] == "add")
        for place, change in changes
    )


def test_an_upgrade_changes_what_nodes_are_told_and_adds_settings_to_the_registry(preview: Preview) -> None:
    previewed = preview(STATE)
    assert damage(previewed) == {}
    assert previewed.returncode == 0, previewed.stdout


@pytest.mark.parametrize(
    ("former", "other", "reported"),
    [
        pytest.param(
            "::registry-server-claim",
            "::registry-storage",
            {"registry-server-claim": "create", "registry-storage": "delete"},
            id="name",
        ),
        pytest.param(
            "k3s-registry:index:Certificates",
            "k3s-registry:index:Authority",
            {"registry-certificates": "create", "registry-certificates-authority-one-key": "create"},
            id="component-token",
        ),
        pytest.param(
            '"storageClassName":"local-path"',
            '"storageClassName":"standard"',
            {"registry-server-claim": "replace"},
            id="input-that-replaces",
        ),
        pytest.param(
            '"name":"REGISTRY_HTTP_DRAINTIMEOUT"',
            '"name":"REGISTRY_OTHER"',
            {"registry-server-deployment": "update"},
            id="setting-that-changes",
        ),
    ],
)
def test_an_upgrade_that_would_lose_something_is_noticed(
    preview: Preview, former: str, other: str, reported: dict[str, str]
) -> None:
    """The state is changed here rather than the program: only the difference between them counts."""
    assert former in STATE
    assert reported.items() <= damage(preview(STATE.replace(former, other))).items()
