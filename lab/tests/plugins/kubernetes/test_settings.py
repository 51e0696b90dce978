"""The provider options of the stand-in for the Kubernetes plugin, and kubeconfigs."""

import json
from pathlib import Path
from typing import Any

import pytest

from lab.plugins.kubernetes import kubeconfig
from lab.plugins.kubernetes.cluster import Cluster
from lab.plugins.kubernetes.credentials import UnreachableError, authorization
from lab.plugins.kubernetes.kubeconfig import KubeconfigError
from lab.plugins.kubernetes.settings import Settings, config_difference, problems
from lab.plugins.values import UNKNOWN


def _kubeconfig(server: str = "https://127.0.0.1:1", **context: str) -> str:
    config: dict[str, Any] = {
        "current-context": "lab",
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "admin", **context}}],
        "clusters": [{"name": "lab", "cluster": {"server": server}}],
        "users": [{"name": "admin", "user": {"token": "t"}}],
    }
    return json.dumps(config)


def test_an_unchanged_cluster_identifier_keeps_every_object() -> None:
    olds = {"clusterIdentifier": "lab", "kubeconfig": _kubeconfig("https://a")}
    news = {"clusterIdentifier": "lab", "kubeconfig": _kubeconfig("https://b")}

    found = config_difference(olds, news)

    assert found.changed == ("kubeconfig",)
    assert found.replacing == ()


def test_another_cluster_identifier_replaces_every_object() -> None:
    assert config_difference({"clusterIdentifier": "a"}, {"clusterIdentifier": "b"}).replacing == ("clusterIdentifier",)


def test_a_cluster_identifier_is_added_without_replacement() -> None:
    same = {"kubeconfig": _kubeconfig()}

    assert config_difference(same, {**same, "clusterIdentifier": "lab"}).replacing == ()


def test_without_an_identifier_another_server_replaces_every_object() -> None:
    found = config_difference({"kubeconfig": _kubeconfig("https://a")}, {"kubeconfig": _kubeconfig("https://b")})

    assert found.replacing == ("kubeconfig",)


def test_without_an_identifier_a_kubeconfig_not_known_yet_replaces_every_object() -> None:
    found = config_difference({"kubeconfig": _kubeconfig()}, {"kubeconfig": UNKNOWN})

    assert found.replacing == ("kubeconfig",)


def test_new_credentials_for_the_same_server_replace_nothing() -> None:
    news = _kubeconfig().replace('"t"', '"another"')

    assert config_difference({"kubeconfig": _kubeconfig()}, {"kubeconfig": news}).replacing == ()


def test_the_same_options_are_no_difference() -> None:
    assert config_difference({"kubeconfig": "x"}, {"kubeconfig": "x"}).changed == ()


@pytest.mark.parametrize("text", [True, "true"])
def test_a_switch_is_a_bool_or_the_text_the_sdk_makes_of_it(text: object) -> None:
    assert Settings.of({"enableSecretMutable": text}).secret_mutable


def test_a_switch_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_K8S_DELETE_UNREACHABLE", "true")

    assert Settings.of({}).delete_unreachable


def test_an_option_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_K8S_DELETE_UNREACHABLE", "true")

    assert not Settings.of({"deleteUnreachable": "false"}).delete_unreachable


@pytest.mark.parametrize(
    ("option", "value"),
    [("renderYamlToDirectory", "out"), ("enableServerSideApply", "false"), ("upsertExistingObjects", "true")],
)
def test_an_option_that_is_not_covered_is_refused_by_name(option: str, value: str) -> None:
    assert list(problems({option: value})) == [option]


def test_options_that_are_covered_are_accepted() -> None:
    assert not problems({"enableServerSideApply": "true", "kubeconfig": "x", "clusterIdentifier": UNKNOWN})


def test_a_kubeconfig_is_given_as_a_path(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(_kubeconfig("https://a", namespace="here"))

    target = kubeconfig.resolve(str(file))

    assert (target.server, target.namespace) == ("https://a", "here")


def test_a_kubeconfig_is_given_as_its_content() -> None:
    assert kubeconfig.resolve(_kubeconfig("https://a")).server == "https://a"


def test_without_a_kubeconfig_the_environment_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config"
    file.write_text(_kubeconfig("https://a"))
    monkeypatch.setenv("KUBECONFIG", str(file))

    assert kubeconfig.resolve("").server == "https://a"


def test_files_named_in_a_kubeconfig_lie_beside_it(tmp_path: Path) -> None:
    config = json.loads(_kubeconfig())
    config["clusters"][0]["cluster"]["certificate-authority"] = "ca.crt"
    file = tmp_path / "config"
    file.write_text(json.dumps(config))

    assert kubeconfig.resolve(str(file)).cluster["certificate-authority"] == str(tmp_path / "ca.crt")


def test_a_context_that_is_not_there_is_named_beside_those_that_are() -> None:
    with pytest.raises(KubeconfigError, match=r"no context named 'other'; it has: lab"):
        kubeconfig.resolve(_kubeconfig(), context="other")


def test_a_kubeconfig_that_is_not_there_makes_the_cluster_unreachable(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match=r"cluster is unreachable: .* is not there"):
        Cluster(Settings(kubeconfig=str(tmp_path / "none"))).client()


def test_a_closed_port_makes_the_cluster_unreachable() -> None:
    with pytest.raises(UnreachableError, match=r"cluster is unreachable: http://127\.0\.0\.1:1 .*refused"):
        Cluster(Settings(kubeconfig=_kubeconfig("http://127.0.0.1:1"))).client()


def test_the_providers_namespace_goes_before_the_contexts() -> None:
    settings = Settings(kubeconfig=_kubeconfig(namespace="context"), namespace="provider")

    assert Cluster(settings).default_namespace() == "provider"


def test_the_contexts_namespace_is_the_default() -> None:
    assert Cluster(Settings(kubeconfig=_kubeconfig(namespace="context"))).default_namespace() == "context"


def test_a_token_is_sent_as_bearer() -> None:
    assert authorization({"token": "t"}) == {"Authorization": "Bearer t"}


def test_credentials_from_a_program_are_refused_with_the_way_out() -> None:
    with pytest.raises(UnreachableError, match="upstream plugin"):
        authorization({"exec": {"command": "aws"}})
