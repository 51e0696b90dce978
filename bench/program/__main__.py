"""The product's own components for nodes, with given certificates and without a cluster.

The variable K3S_REGISTRY_BENCH names a JSON file: `nodes` (as the product's configuration has them), `bundle` (PEM),
`audit`, `proof` (whether each node also runs the pull proof) and `empty` (whether tiny payloads are sent instead).
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import pulumi

from bench import fixtures
from components.nodes import script as scripts
from components.nodes.proof import PullProof, PullProofArgs
from components.nodes.script import Script
from components.nodes.trust import Nodes, NodesArgs


def _few_bytes(script: Script, settings: Mapping[str, str], constants: Mapping[str, str] | None = None) -> str:
    """A tiny payload in place of settings and script, which still changes with the settings."""
    del script, constants
    text = json.dumps(settings, sort_keys=True).encode()
    return f"{hashlib.sha256(text).hexdigest()[:12]}\n"


asked = json.loads(Path(os.environ["K3S_REGISTRY_BENCH"]).read_text())
if asked["empty"]:
    scripts.render = _few_bytes
config = fixtures.config(asked["nodes"], asked["audit"])
trusting = Nodes(
    "nodes",
    NodesArgs(config=config, bundle_pem=asked["bundle"], private_key=None, gap=lambda _before, _after: None),
)
trusted = trusting.visit(config.nodes, after=())
pulumi.export("revisions", trusting.finish())
if asked["proof"]:
    proof = PullProof(
        "proof",
        PullProofArgs(
            config=config,
            service="docker-registry/registry-service",
            bundle_pem=asked["bundle"],
            server_certificate_pem=asked["bundle"],
            private_key=None,
            registry=(),
            registry_revision="bench",
        ),
    )
    proof.visit(config.nodes, trusted)
    pulumi.export("digests", proof.finish().digests)
