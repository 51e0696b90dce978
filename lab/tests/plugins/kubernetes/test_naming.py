"""Names, field managers and supported types of the stand-in for the Kubernetes plugin."""

from typing import Any

import pytest

from lab.plugins.kubernetes import naming, ownership

URN = "urn:pulumi:dev::k3s-registry::k3s-registry:index:RegistryStack$kubernetes:core/v1:Secret::tls"


def test_an_object_without_a_name_gets_its_resources_name_and_eight_digits() -> None:
    named = naming.named({"kind": "Secret"}, {}, URN, b"seed")

    assert naming.name_of(named).startswith("tls-")
    assert len(naming.name_of(named)) == len("tls-") + 8
    assert naming.is_set(named, naming.AUTONAMED)


def test_a_made_name_is_kept() -> None:
    first = naming.named({}, {}, URN, b"one")

    assert naming.name_of(naming.named({}, first, URN, b"another")) == naming.name_of(first)


def test_a_name_the_program_gave_earlier_is_not_taken_for_a_made_one() -> None:
    named = naming.named({}, {"metadata": {"name": "given"}}, URN, b"seed")

    assert naming.name_of(named) != "given"


def test_a_given_name_stays() -> None:
    inputs = {"metadata": {"name": "given"}}

    assert naming.named(inputs, {}, URN, b"seed") == inputs


@pytest.mark.parametrize(("object_id", "parts"), [("here/one", ("here", "one")), ("one", ("", "one"))])
def test_an_id_is_namespace_and_name(object_id: str, parts: tuple[str, str]) -> None:
    assert naming.split_id(object_id) == parts


def test_a_type_nested_in_components_is_known_by_its_last_part() -> None:
    assert naming.type_of(URN) == ("v1", "Secret")


@pytest.mark.parametrize(
    "token",
    [
        "kubernetes:core/v1:NamespacePatch",
        "kubernetes:core/v1:SecretList",
        "kubernetes:helm.sh/v3:Release",
        "kubernetes:yaml/v2:ConfigGroup",
        "kubernetes:yaml:ConfigFile",
        "kubernetes:kustomize:Directory",
    ],
)
def test_a_type_that_is_not_covered_is_refused_by_name(token: str) -> None:
    assert token in (naming.refusal(token) or "")


@pytest.mark.parametrize("token", ["kubernetes:core/v1:Secret", "kubernetes:metallb.io/v1beta1:IPAddressPool"])
def test_a_plain_kind_is_served(token: str) -> None:
    assert naming.refusal(token) is None


def _live(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": "7", "managedFields": list(entries)}}


def _entry(manager: str, operation: str, fields: dict[str, Any], **more: str) -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsV1": fields, **more}


CREATED = _entry("pulumi-kubernetes", "Update", {"f:data": {"f:a": {}}})


def test_what_the_create_set_is_handed_to_the_manager_of_updates() -> None:
    replace_entries, replace_version = ownership.handover(_live(CREATED), "pulumi-kubernetes-1")

    assert replace_entries["value"] == [{**CREATED, "manager": "pulumi-kubernetes-1", "operation": "Apply"}]
    assert replace_version["value"] == "7"


def test_a_handover_joins_what_the_manager_has_already() -> None:
    own = _entry("pulumi-kubernetes-1", "Apply", {"f:data": {"f:b": {}}})

    (entry,) = ownership.handover(_live(own, CREATED), "pulumi-kubernetes-1")[0]["value"]

    assert entry["fieldsV1"] == {"f:data": {"f:a": {}, "f:b": {}}}


def test_what_others_own_stays_theirs() -> None:
    status = _entry("kube-controller-manager", "Update", {"f:status": {}}, subresource="status")

    assert status in ownership.handover(_live(CREATED, status), "pulumi-kubernetes-1")[0]["value"]


def test_a_scale_by_hand_is_not_taken_over() -> None:
    scale = _entry("kubectl", "Update", {"f:spec": {"f:replicas": {}}}, subresource="scale")

    assert ownership.handover(_live(scale), "pulumi-kubernetes-1") == []


def test_nothing_is_taken_by_force_unasked() -> None:
    live = _live(_entry("kubectl-edit", "Update", {}))

    assert not ownership.forces({}, live, provider_forces=False, preview=False)


def test_the_patch_force_annotation_takes_fields_from_others() -> None:
    inputs = {"metadata": {"annotations": {"pulumi.com/patchForce": "true"}}}

    assert ownership.forces(inputs, _live(_entry("x", "Update", {})), provider_forces=False, preview=False)


def test_a_preview_before_the_first_update_does_not_meet_its_own_create() -> None:
    assert ownership.forces({}, _live(CREATED), provider_forces=False, preview=True)


def test_the_field_manager_of_an_object_stays() -> None:
    assert ownership.manager({"__fieldManager": "pulumi-kubernetes-1"}, {}) == "pulumi-kubernetes-1"


def test_each_new_object_gets_a_manager_of_its_own() -> None:
    assert ownership.manager({}, {}) != ownership.manager({}, {})
