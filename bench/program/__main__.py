"""The product's own components for nodes, with given certificates and without a cluster.

The variable K3S_REGISTRY_BENCH names a JSON file: `nodes` (`name`, `host`, `port`, `hostKey` each), `bundle` (PEM),
`audit`, `proof` (whether each node also runs the pull proof) and `empty` (whether tiny payloads are sent instead).
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import pulumi

from bench import fixtures
from components.config.model import Rollout
from components.nodes import script
from components.nodes.proof import PullProof, PullProofArgs
from components.nodes.trust import Nodes, NodesArgs


def _few_bytes(program: script.Script, settings: Mapping[str, str], constants: Mapping[str, str] | None = None) -> str:
    """A tiny payload in place of settings and script, which still changes with the settings."""
    del program, constants
    text = json.dumps(settings, sort_keys=True).encode()
    return f"{hashlib.sha256(text).hexdigest()[:12]}\n"


asked = json.loads(Path(os.environ["K3S_REGISTRY_BENCH"]).read_text())
if asked["empty"]:
    script.render = _few_bytes
nodes = [fixtures.node(node["name"], node["host"], node["hostKey"], node["port"]) for node in asked["nodes"]]
trust = fixtures.trust(asked["audit"])
trusting = Nodes(
    "nodes",
    NodesArgs(
        nodes=nodes,
        trust=trust,
        bundle_pem=asked["bundle"],
        private_key=None,
        rollout=Rollout.PARALLEL,
        gap=lambda _before, _after: None,
    ),
)
pulumi.export("revisions", trusting.revisions)
if asked["proof"]:
    proof = PullProof(
        "proof",
        PullProofArgs(
            nodes=nodes,
            trust=trust,
            service="docker-registry/registry-service",
            bundle_pem=asked["bundle"],
            server_certificate_pem=asked["bundle"],
            private_key=None,
            rollout=Rollout.PARALLEL,
            trusted=trusting.commands,
            registry=(),
            registry_revision="bench",
        ),
    )
    pulumi.export("digests", proof.digests)
