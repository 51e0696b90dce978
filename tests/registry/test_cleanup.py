"""The objects of a clean-up, and the registry's pod with and without one."""

import json
from typing import Any

from components.registry.handover import scripts
from tests.recordings import Build, inputs

CLEANUP = {"schedule": "30 3 * * 0", "keep": 3, "keepPatterns": ["v*", "latest"]}


def objects(build: Build, config: dict[str, Any], **changes: Any) -> dict[str, dict[str, Any]]:
    """The inputs of every resource, by name."""
    return {name: inputs(request) for name, request in build({**config, **changes}).by_name.items()}


def template(recorded: dict[str, dict[str, Any]]) -> dict[str, Any]:
    pod: dict[str, Any] = recorded["registry-server-deployment"]["spec"]["template"]
    return pod


def job(recorded: dict[str, dict[str, Any]]) -> dict[str, Any]:
    spec: dict[str, Any] = recorded["registry-cleanup-schedule"]["spec"]["jobTemplate"]["spec"]
    return spec


def test_without_a_schedule_nothing_of_it_exists(build: Build, config: dict[str, Any]) -> None:
    recorded = objects(build, config)
    assert not [name for name in recorded if "cleanup" in name or "scripts" in name]
    pod = template(recorded)
    assert "command" not in pod["spec"]["containers"][0]
    assert {volume["name"] for volume in pod["spec"]["volumes"]} == {"lv-storage", "certs"}
    assert "cleanup" not in json.dumps(pod)


def test_with_a_schedule_every_object_exists(build: Build, config: dict[str, Any]) -> None:
    recorded = objects(build, config, cleanup=CLEANUP)
    added = set(recorded) - set(objects(build, config))
    roles = {f"registry-cleanup{part}" for part in ("", "-account", "-role", "-binding", "-schedule")}
    assert added == roles | {"registry-server-scripts"}
    assert recorded["registry-cleanup-schedule"]["spec"]["schedule"] == "30 3 * * 0"


def test_two_clean_ups_never_overlap_and_none_is_repeated(build: Build, config: dict[str, Any]) -> None:
    recorded = objects(build, config, cleanup=CLEANUP)
    assert recorded["registry-cleanup-schedule"]["spec"]["concurrencyPolicy"] == "Forbid"
    assert job(recorded)["backoffLimit"] == 0
    assert job(recorded)["template"]["spec"]["restartPolicy"] == "Never"


def test_the_clean_up_may_only_list_workloads(build: Build, config: dict[str, Any]) -> None:
    rules = objects(build, config, cleanup=CLEANUP)["registry-cleanup-role"]["rules"]
    assert {verb for rule in rules for verb in rule["verbs"]} == {"list"}
    kinds = {kind for rule in rules for kind in rule["resources"]}
    assert kinds == {"pods", "deployments", "statefulsets", "daemonsets", "cronjobs", "jobs"}


def test_only_the_clean_up_gets_a_token(build: Build, config: dict[str, Any]) -> None:
    recorded = objects(build, config, cleanup=CLEANUP)
    assert "serviceAccountToken" not in json.dumps(template(recorded))
    assert "serviceAccountToken" in json.dumps(job(recorded))


def test_the_clean_up_serves_pulls_on_the_registrys_node(build: Build, config: dict[str, Any]) -> None:
    recorded = objects(build, config, cleanup=CLEANUP)
    pod, server = job(recorded)["template"], template(recorded)
    selector = recorded["registry-server-service"]["spec"]["selector"]
    assert selector.items() <= pod["metadata"]["labels"].items()
    for key in ("nodeSelector", "securityContext"):
        assert pod["spec"][key] == server["spec"][key]
    assert pod["spec"]["affinity"]["podAffinity"] == server["spec"]["affinity"]["podAffinity"]
    ours, theirs = pod["spec"]["containers"][0], server["spec"]["containers"][0]
    for key in ("image", "ports", "securityContext", "resources"):
        assert ours[key] == theirs[key]
    assert all(variable in ours["env"] for variable in theirs["env"])


def test_no_clean_up_runs_beside_a_registry_that_knows_no_locks(build: Build, config: dict[str, Any]) -> None:
    recorded = objects(build, config, cleanup=CLEANUP)
    (term,) = job(recorded)["template"]["spec"]["affinity"]["podAntiAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]
    selector = term["labelSelector"]
    (requirement,) = selector["matchExpressions"]
    assert requirement["operator"] == "DoesNotExist"

    def kept_away(labels: dict[str, str]) -> bool:
        return selector["matchLabels"].items() <= labels.items() and requirement["key"] not in labels

    assert kept_away(template(objects(build, config))["metadata"]["labels"])
    assert not kept_away(template(recorded)["metadata"]["labels"])
    assert not kept_away(job(recorded)["template"]["metadata"]["labels"])


def test_the_configuration_reaches_the_script(build: Build, config: dict[str, Any]) -> None:
    variables = job(objects(build, config, cleanup=CLEANUP))["template"]["spec"]["containers"][0]["env"]
    given = {variable["name"]: variable.get("value") for variable in variables}
    assert (given["keep"], given["keep_patterns"], given["dry_run"]) == ("3", "v* latest", "true")


def test_a_change_of_what_is_kept_does_not_touch_the_registrys_pod(build: Build, config: dict[str, Any]) -> None:
    before = template(objects(build, config, cleanup=CLEANUP))
    after = template(objects(build, config, cleanup={**CLEANUP, "keep": 9, "dryRun": False, "schedule": "@daily"}))
    assert before == after


def test_the_scripts_fit_into_a_configmap() -> None:
    assert sum(map(len, scripts().values())) < 100_000


def test_the_nodes_own_registry_serves_beside_the_clean_up_and_ends_with_it(
    build: Build, config: dict[str, Any]
) -> None:
    recorded = objects(build, config, cleanup=CLEANUP, auth={"users": {"alice": "wonderland"}})
    spec = job(recorded)["template"]["spec"]
    assert [one["name"] for one in spec["containers"]] == ["cleanup"]
    assert [(one["name"], one["restartPolicy"]) for one in spec["initContainers"]] == [("registry-nodes", "Always")]
    assert "initContainers" not in job(objects(build, config, cleanup=CLEANUP))["template"]["spec"]
