"""Which differences the stand-in for the Kubernetes plugin reports as changes, and which of them replace an object."""

import base64
import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.plugins.kubernetes.diffing import Change, Difference, difference, keep_ignored, normalized, prune
from lab.plugins.values import UNKNOWN

Object = dict[str, Any]


def _object(kind: str, api_version: str = "v1", **fields: Any) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "one", "namespace": "here"}, **fields}


def _live(inputs: Object) -> Object:
    """The object as the API server would return it, with the fields that it adds."""
    live = normalized(inputs)
    live["metadata"] = {**live["metadata"], "uid": "1", "resourceVersion": "7", "generation": 1}
    return {**live, "status": {"phase": "Active"}}


def _change(before: Object, after: Object, **options: Any) -> Difference:
    return difference(_live(before), before, after, **options)


CLAIM = _object(
    "PersistentVolumeClaim",
    spec={
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "local-path",
        "resources": {"requests": {"storage": "1Gi"}},
    },
)
DEPLOYMENT = _object(
    "Deployment",
    "apps/v1",
    spec={
        "replicas": 1,
        "selector": {"matchLabels": {"app": "registry"}},
        "template": {
            "metadata": {"labels": {"app": "registry"}, "annotations": {"hash": "1"}},
            "spec": {
                "containers": [{"name": "registry", "image": "registry:3", "resources": {"limits": {"cpu": "0.5"}}}],
                "volumes": [{"name": "scratch", "emptyDir": {}}],
            },
        },
    },
)
SECRET = _object("Secret", type="kubernetes.io/tls", data={"tls.key": "eA=="})
SERVICE = _object("Service", spec={"clusterIP": "10.43.0.7", "ports": [{"port": 5000}]})
CONFIG_MAP = _object("ConfigMap", data={"a": "x"})
STORAGE_CLASS = _object("StorageClass", "storage.k8s.io/v1", provisioner="a", parameters={"type": "fast"})


def _with(obj: Object, path: str, value: Any) -> Object:
    changed = copy.deepcopy(obj)
    *above, last = path.split("/")
    place: Any = changed
    for step in above:
        place = place[int(step) if step.isdigit() else step]
    place[int(last) if last.isdigit() else last] = value
    return changed


@pytest.mark.parametrize("obj", [CLAIM, DEPLOYMENT, SECRET, SERVICE, CONFIG_MAP, STORAGE_CLASS])
def test_an_object_as_it_was_asked_for_is_no_difference(obj: Object) -> None:
    assert _change(obj, obj) == Difference()


@given(
    st.recursive(
        st.text(max_size=4) | st.integers() | st.booleans(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    )
)
def test_whatever_an_object_holds_it_equals_itself(value: Any) -> None:
    assert not _change(_object("Thing", spec=value), _object("Thing", spec=value)).changes


@pytest.mark.parametrize(
    ("before", "path", "value"),
    [
        pytest.param(CLAIM, "spec/storageClassName", "longhorn", id="claim-class"),
        pytest.param(CLAIM, "spec/accessModes", ["ReadWriteMany"], id="claim-access-modes"),
        pytest.param(CLAIM, "spec/volumeName", "pv-1", id="claim-volume"),
        pytest.param(CLAIM, "spec/selector", {"matchLabels": {"a": "b"}}, id="claim-selector"),
        pytest.param(DEPLOYMENT, "spec/selector/matchLabels/app", "other", id="deployment-selector"),
        pytest.param(SERVICE, "spec/clusterIP", "10.43.0.8", id="service-cluster-ip"),
        pytest.param(STORAGE_CLASS, "parameters/type", "slow", id="storage-class-parameters"),
        pytest.param(STORAGE_CLASS, "provisioner", "b", id="storage-class-provisioner"),
        pytest.param(SECRET, "data/tls.key", "eQ==", id="secret-data"),
        pytest.param(SECRET, "type", "Opaque", id="secret-type"),
        pytest.param(CONFIG_MAP, "data/a", "y", id="config-map-data"),
    ],
)
def test_a_change_of_a_fixed_field_replaces_a_named_object_deleting_it_first(
    before: Object, path: str, value: Any
) -> None:
    found = _change(before, _with(before, path, value))

    assert found.replacing == set(found.changes)
    assert found.delete_first


@pytest.mark.parametrize(
    ("before", "path", "value"),
    [
        pytest.param(CLAIM, "spec/resources/requests/storage", "2Gi", id="claim-size"),
        pytest.param(DEPLOYMENT, "spec/template/metadata/annotations/hash", "2", id="deployment-template"),
        pytest.param(DEPLOYMENT, "spec/replicas", 2, id="deployment-replicas"),
        pytest.param(SERVICE, "spec/ports/0/port", 5001, id="service-port"),
        pytest.param(SECRET, "metadata/labels", {"a": "b"}, id="secret-label"),
        pytest.param(CONFIG_MAP, "metadata/annotations", {"a": "b"}, id="config-map-annotation"),
    ],
)
def test_other_changes_are_made_in_place(before: Object, path: str, value: Any) -> None:
    found = _change(before, _with(before, path, value))

    assert found.changes
    assert not found.replacing


def test_a_mutable_secret_changes_in_place() -> None:
    found = _change(SECRET, _with(SECRET, "data/tls.key", "eQ=="), secret_mutable=True)

    assert not found.replacing


def test_the_type_of_a_mutable_secret_still_replaces_it() -> None:
    assert _change(SECRET, _with(SECRET, "type", "Opaque"), secret_mutable=True).replacing


def test_an_immutable_secret_is_replaced_though_secrets_are_mutable() -> None:
    before = {**SECRET, "immutable": True}

    assert _change(before, _with(before, "data/tls.key", "eQ=="), secret_mutable=True).replacing


def test_a_mutable_config_map_changes_in_place() -> None:
    assert not _change(CONFIG_MAP, _with(CONFIG_MAP, "data/a", "y"), config_map_mutable=True).replacing


def test_another_namespace_replaces_the_object_creating_first() -> None:
    found = _change(CONFIG_MAP, _with(CONFIG_MAP, "metadata/namespace", "there"))

    assert found.replacing == {("metadata", "namespace")}
    assert not found.delete_first


def test_another_name_replaces_the_object_creating_first() -> None:
    found = _change(CONFIG_MAP, _with(CONFIG_MAP, "metadata/name", "other"))

    assert found.replacing == {("metadata", "name")}
    assert not found.delete_first


def test_an_object_with_a_name_we_made_is_replaced_creating_first() -> None:
    before = _with(CONFIG_MAP, "metadata/annotations", {"pulumi.com/autonamed": "true"})

    assert not _change(before, _with(before, "data/a", "y")).delete_first


def test_a_change_is_shown_at_its_own_path() -> None:
    found = _change(DEPLOYMENT, _with(DEPLOYMENT, "spec/template/spec/containers/0/image", "registry:4"))

    assert found.changes == {("spec", "template", "spec", "containers", 0, "image"): Change.UPDATE}


def test_a_key_no_longer_asked_for_is_shown_as_deleted() -> None:
    after = copy.deepcopy(DEPLOYMENT)
    del after["spec"]["template"]["metadata"]["annotations"]

    assert _change(DEPLOYMENT, after).changes == {("spec", "template", "metadata", "annotations"): Change.DELETE}


def test_what_others_added_to_the_object_is_no_difference() -> None:
    live = _live(DEPLOYMENT)
    live["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": "3"}
    live["spec"]["template"]["spec"]["restartPolicy"] = "Always"

    assert not difference(live, DEPLOYMENT, DEPLOYMENT).changes


def test_a_scale_by_hand_shows_once_the_state_knows_of_it() -> None:
    live = _with(_live(DEPLOYMENT), "spec/replicas", 3)

    assert difference(live, DEPLOYMENT, DEPLOYMENT).changes == {("spec", "replicas"): Change.UPDATE}


def test_a_quantity_in_another_spelling_is_no_difference() -> None:
    live = _with(_live(DEPLOYMENT), "spec/template/spec/containers/0/resources/limits/cpu", "500m")

    assert not difference(live, DEPLOYMENT, DEPLOYMENT).changes


def test_the_same_text_elsewhere_is_no_quantity() -> None:
    assert _change(_object("ConfigMap", data={"a": "1Gi"}), _object("ConfigMap", data={"a": "1024Mi"})).changes


def test_string_data_of_a_secret_equals_the_data_the_api_server_made_of_it() -> None:
    inputs = _object("Secret", stringData={"password": "x"})
    live = _object("Secret", data={"password": base64.b64encode(b"x").decode()})

    assert not difference(live, inputs, inputs).changes


def test_changed_string_data_replaces_a_secret() -> None:
    before, after = (_object("Secret", stringData={"password": text}) for text in ("x", "y"))

    assert _change(before, after).replacing == {("data", "password")}


def test_no_namespace_is_the_default_namespace() -> None:
    before = _with(CONFIG_MAP, "metadata", {"name": "one", "namespace": "default"})

    assert not _change(before, _with(CONFIG_MAP, "metadata", {"name": "one"})).changes


def test_a_namespace_given_to_what_has_none_is_no_difference() -> None:
    live = _live(_with(STORAGE_CLASS, "metadata", {"name": "one"}))

    assert not difference(live, STORAGE_CLASS, STORAGE_CLASS).changes


def test_an_ignored_path_is_no_difference() -> None:
    found = _change(DEPLOYMENT, _with(DEPLOYMENT, "spec/replicas", 2), ignored=["spec.replicas"])

    assert not found.changes


def test_an_ignored_pattern_covers_each_element_of_a_list() -> None:
    after = _with(DEPLOYMENT, "spec/template/spec/containers/0/image", "registry:4")

    assert not _change(DEPLOYMENT, after, ignored=["spec.template.spec.containers[*].image"]).changes


def test_an_ignored_annotation_is_named_in_brackets() -> None:
    before = _with(CONFIG_MAP, "metadata/annotations", {"a.b/c": "1"})

    found = _change(
        before, _with(before, "metadata/annotations", {"a.b/c": "2"}), ignored=['metadata.annotations["a.b/c"]']
    )

    assert not found.changes


def test_an_ignored_field_is_applied_as_the_cluster_has_it() -> None:
    body = copy.deepcopy(DEPLOYMENT)

    keep_ignored(body, _with(DEPLOYMENT, "spec/replicas", 5), ["spec.replicas"])

    assert body["spec"]["replicas"] == 5


def test_an_unknown_value_of_a_preview_is_a_change() -> None:
    found = _change(DEPLOYMENT, _with(DEPLOYMENT, "spec/template/metadata/annotations/hash", UNKNOWN))

    assert found.changes == {("spec", "template", "metadata", "annotations", "hash"): Change.UPDATE}


def test_an_unknown_value_in_a_fixed_field_is_planned_as_a_replacement() -> None:
    assert _change(CLAIM, _with(CLAIM, "spec/storageClassName", UNKNOWN)).replacing


def test_pruning_cuts_to_what_the_inputs_have() -> None:
    assert prune({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 0}}) == {"a": {"b": 1}}


def test_pruning_pairs_list_elements_by_position() -> None:
    live = [{"name": "a", "protocol": "TCP"}, {"name": "injected"}]

    assert prune({"ports": live}, {"ports": [{"name": "a"}]}) == {"ports": [{"name": "a"}]}
