"""The outputs: their public names, their pure parts, and the README's table of them."""

import ast
import inspect
import re
import tomllib
import typing
from dataclasses import fields
from pathlib import Path
from typing import Any

import pulumi

from components.outputs import Outputs, buildkit_config, docker_certs_dir, node_table, public_name
from components.registry.address import cluster_endpoint, qualified_service_name, service_names

README = Path(__file__).parents[1] / "README.md"
WORDS = {str: "string", int: "number", list: "list", dict: "map"}


def type_word(annotation: Any) -> str:
    """The README's word for the type of an output."""
    if typing.get_origin(annotation) is pulumi.Output:
        [annotation] = typing.get_args(annotation)
    return WORDS[typing.get_origin(annotation) or annotation]


def test_the_readmes_table_lists_every_output_with_its_type() -> None:
    section = README.read_text(encoding="utf-8").partition("\n## Outputs\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| .+ \|$", section, re.MULTILINE)
    types = typing.get_type_hints(Outputs)
    assert rows == [(public_name(field.name), type_word(types[field.name])) for field in fields(Outputs)]


def test_every_output_has_a_docstring() -> None:
    [definition] = ast.parse(inspect.getsource(Outputs)).body
    assert isinstance(definition, ast.ClassDef)
    documented = [
        statement.target.id
        for statement, following in zip(definition.body, definition.body[1:], strict=False)
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
    ]
    assert documented == [field.name for field in fields(Outputs)]


def test_a_public_name_is_in_camel_case() -> None:
    assert public_name("ca_fingerprint_sha256") == "caFingerprintSha256"
    assert public_name("namespace") == "namespace"


def test_pods_find_the_service_by_every_form_of_its_name() -> None:
    assert service_names("ns") == (
        "registry-service.ns",
        "registry-service.ns.svc",
        "registry-service.ns.svc.cluster.local",
    )


def test_clients_in_pods_use_the_fully_qualified_name() -> None:
    assert cluster_endpoint("ns", 5000) == "registry-service.ns.svc.cluster.local:5000"


def test_messages_name_the_service_with_its_namespace() -> None:
    assert qualified_service_name("ns") == "ns/registry-service"


def test_buildkit_trusts_the_same_file_as_docker() -> None:
    registry = tomllib.loads(buildkit_config("r.local:5000", docker_certs_dir("r.local:5000")))["registry"]
    assert registry == {"r.local:5000": {"ca": [f"{docker_certs_dir('r.local:5000')}/ca.crt"]}}


def test_the_node_table_joins_the_trusted_revision_and_the_pulled_digest() -> None:
    assert node_table({"a": "r"}, {"a": "sha256:1"}) == {"a": {"trustRevision": "r", "pulledDigest": "sha256:1"}}


def test_a_node_that_is_offline_has_no_digest() -> None:
    assert node_table({"a": "r"}, {}) == {"a": {"trustRevision": "r"}}
