"""The OpenFaaS example's pure parts, and its contract with the registry's outputs."""

import re
import tomllib
import typing
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pytest
import yaml

from components.outputs import Outputs, public_name
from examples.openfaas.consumer import builders, openfaas, registry, settings

EXAMPLE = Path(__file__).parents[2] / "examples" / "openfaas"
SECRET = {
    "secretName": builders.PUSH_SECRET,
    "optional": True,
    "items": [{"key": ".dockerconfigjson", "path": "config.json"}],
}
PROVED: dict[str, Any] = {
    "schemaVersion": 1,
    "trustedNodes": ["cube01", "cube02"],
    "verifiedNodes": ["cube02", "cube01"],
}


def kind(annotation: Any) -> type:
    """The type of an output's value."""
    if typing.get_origin(annotation) is pulumi.Output:
        [annotation] = typing.get_args(annotation)
    found: type = typing.get_origin(annotation) or annotation
    return found


def test_every_output_that_it_reads_exists_with_that_type() -> None:
    """A renamed output, or one of another type, breaks a consumer: this test fails before the consumer does."""
    exported = {public_name(name): kind(annotation) for name, annotation in typing.get_type_hints(Outputs).items()}
    consumed = {**registry.CONSUMED, registry.PUSH_CONFIGS: dict}
    assert consumed == {name: exported.get(name) for name in consumed}


def test_it_reads_the_outputs_of_the_present_version() -> None:
    assert Outputs.schema_version == registry.SCHEMA_VERSION


def test_outputs_of_a_proved_registry_are_accepted() -> None:
    assert registry.checked(PROVED) == PROVED


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schemaVersion": 2}, "version 2; this program reads 1"),
        ({"verifiedNodes": ["cube02"]}, "nodes cube01 have not pulled"),
    ],
)
def test_an_unproved_registry_or_another_version_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(pulumi.RunError, match=said):
        registry.checked({**PROVED, **change})


def test_builders_push_as_a_user_that_the_registry_has() -> None:
    configs = {"alice": "{}", "bob": "{}"}
    assert registry.chosen(configs, "alice") == "{}"
    with pytest.raises(pulumi.RunError, match=r"builder: found 'carol'.* whose stack has: alice, bob"):
        registry.chosen(configs, "carol")
    with pytest.raises(pulumi.RunError, match="whose stack has: none"):
        registry.chosen({}, "alice")


def test_buildkit_reaches_the_public_name_by_the_service_and_trusts_both() -> None:
    found = tomllib.loads(builders.buildkit_config("registry.cube.local:5000", "service.ns.svc:5000"))
    authority = ["/etc/buildkit/ca.crt"]
    assert found == {
        "registry": {
            "registry.cube.local:5000": {"ca": authority, "mirrors": ["service.ns.svc:5000"]},
            "service.ns.svc:5000": {"ca": authority},
        }
    }


@pytest.mark.parametrize("text", ["hello", "hello:latest", "hello:", "Hello:1.0.0", "team/hello:1.0.0", "hello:1 0"])
def test_a_function_without_a_version_of_its_own_is_refused(text: str) -> None:
    with pytest.raises(pulumi.RunError, match="function: found "):
        settings.function_image(text)


def test_a_function_is_named_by_name_and_version() -> None:
    found = settings.function_image("hello:1.0.0")
    assert found == settings.FunctionImage(name="hello", version="1.0.0")


def test_no_function_and_no_chart_are_wanted_by_default() -> None:
    assert settings.function_image("") is None
    assert settings.chart({}) is None


@pytest.mark.parametrize("value", [{"repository": "x"}, {"name": "openfaas", "repo": "x"}])
def test_a_chart_without_a_name_or_with_another_key_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(pulumi.RunError, match="chart: found the keys "):
        settings.chart(value)


def test_the_charts_values_keep_functions_running_without_the_registry() -> None:
    values = yaml.safe_load(openfaas.as_yaml(openfaas.helm_values("fns")))
    assert values == {"functionNamespace": "fns", "functions": {"imagePullPolicy": "IfNotPresent"}}


@pytest.mark.parametrize(
    ("create", "chart", "made"),
    [
        (False, "openfaas", []),
        (True, None, [("functions", "fns")]),
        (True, "fns", [("functions", "fns")]),
        (True, "openfaas", [("functions", "fns"), ("core", "openfaas")]),
    ],
    ids=["not asked", "no chart", "one for both", "one each"],
)
def test_namespaces_are_made_on_request_alone_and_outlive_the_stack(
    monkeypatch: pytest.MonkeyPatch, *, create: bool, chart: str | None, made: list[tuple[str, str]]
) -> None:
    found: list[tuple[str, str]] = []

    def namespace(role: str, *, metadata: Any, opts: pulumi.ResourceOptions) -> None:
        assert opts.protect
        assert opts.retain_on_delete
        found.append((role, metadata.name))

    monkeypatch.setattr(kubernetes.core.v1, "Namespace", namespace)
    openfaas.namespaces(
        settings.Settings(
            registry_stack="",
            namespace="fns",
            create_namespace=create,
            function=None,
            replicas=1,
            chart=None if chart is None else settings.Chart(name="openfaas", namespace=chart),
            builder=None,
        )
    )
    assert found == made


def test_the_readmes_table_lists_every_key_with_its_default() -> None:
    declared = yaml.safe_load((EXAMPLE / "Pulumi.yaml").read_text(encoding="utf-8"))["config"]
    section = (EXAMPLE / "README.md").read_text(encoding="utf-8").partition("| key |")[2].partition("\n\n")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", section, re.MULTILINE))
    shown = {name: "" if entry["default"] == {} else str(entry["default"]) for name, entry in declared.items()}
    assert {name: text.strip("`").replace("none", "") for name, text in rows.items()} == {
        name: text.lower() if text in ("True", "False") else text for name, text in shown.items()
    }


def blocks(text: str) -> list[dict[str, Any]]:
    """The YAML documents that a page shows."""
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]


def test_the_stack_yaml_of_the_readme_names_a_version_below_the_prefix() -> None:
    shown, _ = blocks((EXAMPLE / "README.md").read_text(encoding="utf-8"))
    (name, function), *others = shown["functions"].items()
    assert others == []
    prefix, _, reference = function["image"].partition("/")
    assert prefix == "${OPENFAAS_PREFIX}"
    found = settings.function_image(reference)
    assert found is not None
    assert found.name == name


def test_the_builder_of_the_readme_mounts_what_the_example_creates() -> None:
    text = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    _, job = blocks(text)
    pod = job["spec"]["template"]["spec"]
    mounted = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    [volume] = [volume["name"] for volume in pod["volumes"] if volume.get("configMap") == {"name": builders.CONFIG_MAP}]
    assert mounted[volume] == builders.MOUNT_PATH
    [push] = [volume["name"] for volume in pod["volumes"] if "secret" in volume]
    assert mounted[push] == "/root/.docker"
    assert {"name": push, "secret": SECRET} in pod["volumes"]
