"""Previews of a stack that the present program has deployed, as text that a reviewer reads.

No cluster is needed: the state of `former/` becomes that of the present program by taking over what a preview plans.
`former/authority-two.json` is what `up --target` added to that state for a second authority.
"""

import copy
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, Final, Self

import yaml

from lab.engine import Engine
from lab.plugins.tls import clock
from lab.settings import PROJECT
from lab.tests.served_program import served

FORMER: Final = Path(__file__).with_name("former")
STACK: Final = "dev"
PREFIX: Final = "k3s-registry:"
ROUNDS: Final = 2
"""A change of the registry is known to the proofs only one preview later. A test shows that nothing remains then."""
_HEAD: Final = re.compile(r"^( +)\S.*: \((create|update|replace|delete|read)\)$")
_NOISE: Final = re.compile(r"^ +\[(id|provider)=.*\]$|^@ .*\.+$")
"""IDs, providers, and the dots by which the CLI shows on a slow computer that it still works."""
_URN: Final = re.compile(r"\[urn=\S+::([^:\]]+)\]$")
_DIGEST: Final = re.compile(r"\b[0-9a-f]{64}\b")


@dataclass(frozen=True)
class DeployedStack:
    """A stack of two nodes and two authorities, and the engine that previews changes of it."""

    engine: Engine
    folder: Path
    state: dict[str, Any]

    @classmethod
    def create(cls, engine: Engine, folder: Path) -> Self:
        """Import the former state, and bring it to what the present program would deploy."""
        state = json.loads((FORMER / "state.json").read_text())
        resources = state["deployment"]["resources"]
        # The engine accepts a resource only after those that it depends on.
        place = max(index for index, one in enumerate(resources) if "authority-one" in one["urn"]) + 1
        resources[place:place] = two = json.loads((FORMER / "authority-two.json").read_text())
        outputs = next(one["outputs"] for one in resources if one["type"] == "pulumi:pulumi:Stack")
        outputs["trustBundlePem"] += two[-1]["outputs"]["certPem"]
        outputs["pushConfigs"] = {}  # the former program did not have it
        stack = cls(engine, folder, state)
        engine.ensure_stack(STACK)
        for _ in range(ROUNDS):
            stack.load()
            stack.adopt(json.loads(stack.run({}, "--json").stdout)["steps"])
        stack.load()
        return stack

    def load(self) -> None:
        """Make the state that of the stack."""
        file = self.folder / "state.json"
        file.write_text(json.dumps(self.state))
        done = self.engine.run(["stack", "import", "--stack", STACK, "--file", str(file)], capture=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr

    def adopt(self, steps: list[dict[str, Any]]) -> None:
        """Take over what these steps update."""
        resources = {one["urn"]: one for one in self.state["deployment"]["resources"]}
        for step in (step for step in steps if step["op"] != "same"):
            assert step["op"] == "update", f"an upgrade must not {step['op']} {step['urn']}"
            outputs = resources[step["urn"]]["outputs"]
            for key in {re.split(r"[.\[]", place)[0] for place in step["detailedDiff"]}:
                # The Kubernetes provider compares with the inputs that it keeps among its outputs.
                for known in (resources[step["urn"]]["inputs"], outputs, outputs.get("__inputs", {})):
                    known[key] = step["newState"]["inputs"][key]

    def run(self, changes: dict[str, Any], *arguments: str) -> CompletedProcess[str]:
        """Preview the stack file with `changes`, which maps dotted keys to values; None removes a key."""
        document = yaml.safe_load((FORMER / "Pulumi.dev.yaml").read_text())
        plan = {"certificates.authorities": ["one", "two"], "certificates.issuer": "one"} | changes
        for path, value in plan.items():
            first, *rest = path.split(".")
            keys = [PREFIX + first, *rest]
            place = document["config"]
            for key in keys[:-1]:
                place = place[key]
            if value is None:
                del place[keys[-1]]
            else:
                place[keys[-1]] = value
        file = self.folder / "Pulumi.dev.yaml"
        file.write_text(yaml.safe_dump(document))
        environment = {
            # The end of the former `up`: a later day would have the certificates renewed.
            clock.VARIABLE: self.state["deployment"]["manifest"]["time"],
            # No file is there, since the cluster is never asked.
            "KUBECONFIG": "/nowhere/kubeconfig",
        }
        with served(PROJECT, "preview", environment) as program:
            previewed = self.engine.run(
                ["preview", *program, "--stack", STACK, "--config-file", str(file), *arguments],
                capture=True,
                timeout=120,
                extra_env=environment,
            )
        assert previewed.returncode == 0, previewed.stdout + previewed.stderr
        return previewed

    def diff(self, changes: dict[str, Any]) -> str:
        """What a reviewer reads of these changes, in a form that every run gives alike."""
        return readable(self.run(changes, "--diff", "--color", "never").stdout)

    def of_another_version(self) -> Self:
        """The same stack, deployed by a program whose scripts for nodes were others."""
        state = copy.deepcopy(self.state)
        for one in state["deployment"]["resources"]:
            if one["type"] == "command:remote:Command":
                for known in (one["inputs"], one["outputs"]):
                    known["stdin"] = known["stdin"].replace("script=$(printf %s '", "script=$(printf %s 'another")
        return type(self)(self.engine, self.folder, state)

    def close(self) -> None:
        """Remove the stack."""
        shutil.rmtree(self.engine.backend)


def readable(text: str) -> str:
    """The text of a preview: ordered by resource, URNs as names, without IDs and providers, digests as a word."""
    lines = [line for line in text.splitlines() if not _NOISE.match(line)]
    end = next(
        (place for place, line in enumerate(lines) if line.strip() in ("--outputs:--", "Resources:")), len(lines)
    )
    before: list[str] = []
    blocks: list[list[str]] = []
    for line in lines[:end]:
        if _HEAD.match(line):
            blocks.append([])
        (blocks[-1] if blocks else before).append(line)
    # A component's children are shown deeper than those whose component is unchanged.
    ordered = sorted(("\n".join(_shifted(block)) for block in blocks), key=lambda block: block.split("\n")[1])
    whole = "\n".join([*before, *ordered, *lines[end:]])
    whole = "\n".join(_URN.sub(r"[urn=...::\1]", line).rstrip() for line in whole.splitlines())
    return _DIGEST.sub("<digest>", whole).strip() + "\n"


def _shifted(block: list[str]) -> list[str]:
    """The lines of a block, its head four columns from the left."""
    extra = len(block[0]) - len(block[0].lstrip()) - 4
    return [line[extra:] if extra > 0 and not line[:extra].strip() else line for line in block]
