import json
import os
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from ops import __main__ as command_line
from ops.kit import directory
from ops.kit.facts import Facts
from ops.stack import Stack

BUNDLE = "-----BEGIN CERTIFICATE-----\nb25l\n-----END CERTIFICATE-----\n"
ENDPOINT = "registry.cube.local:5000"
OUTPUTS: dict[str, Any] = {
    "registryHost": "registry.cube.local",
    "registryIp": "10.77.0.202",
    "clusterEndpoint": "registry-service.docker-registry.svc.cluster.local:5000",
    "buildkitConfig": f'[registry."{ENDPOINT}"]\n  ca=["/etc/docker/certs.d/{ENDPOINT}/ca.crt"]\n',
    "trustBundlePem": BUNDLE,
    "pushConfigs": {},
}
LOCAL = "127.0.0.1 localhost"
PASSWORD = "c2VjcmV0"
CONFIGS = {"anna": json.dumps({"auths": {ENDPOINT: {"auth": PASSWORD}}})}


@pytest.fixture
def outputs(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The stack's outputs, which a test may change; as with the CLI, a secret one is hidden unless it is asked for."""
    known = dict(OUTPUTS)

    def read(_stack: Stack, *, with_secrets: bool = False) -> dict[str, Any]:
        hidden = {"pushConfigs": "[secret]"} if known["pushConfigs"] and not with_secrets else {}
        return known | hidden

    monkeypatch.setattr(Stack, "outputs", read)
    return known


def kit(place: Path, *words: str) -> int:
    return command_line.main(["kit", str(place), *words])


def content(place: Path) -> dict[str, str]:
    return {str(file.relative_to(place)): file.read_text() for file in place.rglob("*") if file.is_file()}


def test_each_client_finds_the_authority_where_it_looks(outputs: dict[str, Any], tmp_path: Path) -> None:
    assert kit(tmp_path / "kit") == 0
    made = content(tmp_path / "kit")
    assert made["hosts"] == f"{outputs['registryIp']} {outputs['registryHost']} # k3s-registry\n"
    assert made["ca.crt"] == made[f"certs.d/{ENDPOINT}/ca.crt"] == made[f"containerd/{ENDPOINT}/ca.crt"] == BUNDLE
    described = tomllib.loads(made[f"containerd/{ENDPOINT}/hosts.toml"])
    assert described["host"][f"https://{ENDPOINT}"]["ca"] == "ca.crt"
    assert json.loads(made["kaniko.json"])["data"]["ca.crt"] == BUNDLE


def test_a_name_without_its_port_has_files_of_its_own(outputs: dict[str, Any], tmp_path: Path) -> None:
    names = ("registry.cube.local:443", "registry.cube.local")
    outputs["buildkitConfig"] = "".join(f'[registry."{name}"]\n  ca=["ca.crt"]\n' for name in names)
    assert kit(tmp_path / "kit") == 0
    assert {f"certs.d/{name}/ca.crt" for name in names} < set(content(tmp_path / "kit"))


def test_pipelines_trust_log_in_and_push(outputs: dict[str, Any], tmp_path: Path) -> None:
    outputs["pushConfigs"] = CONFIGS
    assert kit(tmp_path / "kit") == 0
    steps = YAML(typ="safe").load((tmp_path / "kit/github-actions.yml").read_text())
    job = YAML(typ="safe").load((tmp_path / "kit/gitlab-ci.yml").read_text())["push-image"]
    assert [step["name"] for step in steps] == [
        "Trust the registry",
        "Log in to the registry",
        "Build and push",
        "Log out of the registry",
    ]
    assert steps[0]["env"]["CA"] == job["variables"]["CA"] == BUNDLE
    assert steps[1]["run"] == job["before_script"][-1]
    assert "--password-stdin" in steps[1]["run"]
    assert (steps[3]["if"], [steps[3]["run"]]) == ("always()", job["after_script"])
    assert steps[3]["run"].startswith("docker logout ")


def test_a_registry_without_passwords_needs_no_login(outputs: dict[str, Any], tmp_path: Path) -> None:
    assert outputs["pushConfigs"] == {}
    assert kit(tmp_path / "kit") == 0
    assert "docker login" not in "".join(content(tmp_path / "kit").values())


def test_passwords_are_written_only_for_the_user_who_was_named(outputs: dict[str, Any], tmp_path: Path) -> None:
    outputs["pushConfigs"] = CONFIGS
    assert kit(tmp_path / "without") == 0
    assert kit(tmp_path / "with", "--user", "anna") == 0
    assert PASSWORD not in "".join(content(tmp_path / "without").values())
    assert [name for name, text in content(tmp_path / "with").items() if PASSWORD in text] == ["config.json"]
    assert (tmp_path / "with/config.json").stat().st_mode & 0o777 == 0o600


def test_a_pod_gets_the_password_from_a_secret(outputs: dict[str, Any], tmp_path: Path) -> None:
    outputs["pushConfigs"] = CONFIGS
    assert kit(tmp_path / "without") == 0
    assert kit(tmp_path / "with", "--user", "anna") == 0
    assert "secret" not in content(tmp_path / "without")["README.md"].split("## kaniko")[1]
    created = "kubectl create secret generic registry-kit --from-file=config.json"
    assert created in content(tmp_path / "with")["README.md"]


def test_an_unknown_user_is_one_sentence(
    outputs: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs["pushConfigs"] = CONFIGS
    assert kit(tmp_path / "kit", "--user", "bert") == 2
    assert "ops: the registry has no user bert: it has anna; correct --user" in capsys.readouterr().err
    assert not (tmp_path / "kit").exists()


def test_outputs_that_a_failed_up_left_are_one_sentence(
    outputs: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del outputs["trustBundlePem"]
    assert kit(tmp_path / "kit") == 2
    assert capsys.readouterr().err.endswith("ops: the stack has no output trustBundlePem: run `pulumi up` first\n")


def test_a_second_kit_is_the_same(outputs: dict[str, Any], tmp_path: Path) -> None:
    assert outputs
    assert kit(tmp_path / "kit") == 0
    first = content(tmp_path / "kit")
    assert kit(tmp_path / "kit") == 0
    assert content(tmp_path / "kit") == first


def test_what_is_no_longer_needed_disappears_and_other_files_stay(outputs: dict[str, Any], tmp_path: Path) -> None:
    outputs["pushConfigs"] = CONFIGS
    assert kit(tmp_path / "kit", "--user", "anna") == 0
    (tmp_path / "kit/certs.d/notes").write_text("mine")
    outputs.update(buildkitConfig='[registry."other:5000"]\n', pushConfigs={})
    assert kit(tmp_path / "kit") == 0
    assert not (tmp_path / "kit/config.json").exists()
    assert {file.name for file in (tmp_path / "kit/certs.d").iterdir()} == {"notes", "other:5000"}


def test_a_file_of_others_in_the_kits_place_is_not_replaced(
    outputs: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert kit(tmp_path / "kit") == 0
    (tmp_path / "kit/config.json").write_text("mine")
    outputs["pushConfigs"] = CONFIGS
    assert kit(tmp_path / "kit", "--user", "anna") == 2
    assert "config.json is not the kit's" in capsys.readouterr().err
    assert (tmp_path / "kit/config.json").read_text() == "mine"


def test_root_copies_what_every_user_may_read(outputs: dict[str, Any], tmp_path: Path) -> None:
    assert outputs
    former = os.umask(0o077)
    try:
        assert kit(tmp_path / "kit") == 0
    finally:
        os.umask(former)
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "kit/certs.d").rglob("*")}
    assert modes == {0o755, 0o644}


def test_an_interrupted_kit_is_finished_by_the_next_run(
    outputs: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert outputs

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(directory, "_write", interrupted)
        assert kit(tmp_path / "kit") == 130
    assert kit(tmp_path / "kit") == 0


@pytest.mark.parametrize(
    "before",
    [f"{LOCAL}\n", LOCAL, f"10.0.0.9 registry.cube.local # k3s-registry\n{LOCAL}\n"],
    ids=["plain", "without a line end", "former address"],
)
def test_the_name_is_entered_once_and_removed_without_a_trace(
    outputs: dict[str, Any], tmp_path: Path, before: str
) -> None:
    facts, hosts = Facts.of(outputs), tmp_path / "hosts"
    hosts.write_text(before)
    enter = facts.enter_name.removeprefix("sudo ").replace("/etc/hosts", str(hosts))
    for _ in range(2):
        subprocess.run(["sh", "-c", enter], check=True)
        assert hosts.read_text() == f"{LOCAL}\n{facts.hosts_line}\n"
    subprocess.run(["sed", "-i", facts.hosts_lines, str(hosts)], check=True)
    assert hosts.read_text() == f"{LOCAL}\n"


def test_a_directory_of_others_is_left_alone(
    outputs: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outputs
    (tmp_path / "ca.crt").write_text("mine")
    assert kit(tmp_path) == 2
    assert "has other files than a kit's" in capsys.readouterr().err
    assert content(tmp_path) == {"ca.crt": "mine"}


def test_a_list_that_leads_elsewhere_removes_nothing(outputs: dict[str, Any], tmp_path: Path) -> None:
    assert outputs
    assert kit(tmp_path / "kit") == 0
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "kit/link").symlink_to(tmp_path)
    (tmp_path / "kit/.kit").write_text((tmp_path / "kit/.kit").read_text() + f"../mine\n{tmp_path}/mine\nlink/mine\n")
    assert kit(tmp_path / "kit") == 0
    assert (tmp_path / "mine").exists()
