"""Provider wire values as plain Python, and the secret fields of an object."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime.rpc import UNKNOWN as SENTINEL

from lab.plugins.kubernetes.properties import Properties
from lab.plugins.kubernetes.secret_paths import secret_paths as secret_paths_of_object
from lab.plugins.values import UNKNOWN, from_plain, has_unknown, render_path, secret_paths, to_plain, unknown_paths

_LEAVES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5) | st.just(UNKNOWN)
_PLAIN = st.dictionaries(
    st.text(min_size=1, max_size=3),
    st.recursive(_LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner)),
    max_size=4,
)


@given(_PLAIN)
def test_plain_values_survive_the_way_to_the_engine_and_back(plain: dict[str, object]) -> None:
    wire = PropertyValue.marshal_map(from_plain(plain))

    assert to_plain(PropertyValue.unmarshal_map(wire)) == plain


def test_a_whole_number_of_the_wire_becomes_an_int() -> None:
    port = to_plain({"port": PropertyValue(5000.0)})["port"]

    assert isinstance(port, int)


def test_an_unknown_value_is_found_by_its_path() -> None:
    plain = to_plain({"a": PropertyValue([PropertyValue(SENTINEL)])})

    assert unknown_paths(plain) == {("a", 0)}


def test_an_unknown_value_stays_itself_in_a_deep_copy() -> None:
    assert has_unknown(copy.deepcopy({"a": [UNKNOWN]}))


def test_an_unknown_value_is_neither_true_nor_false() -> None:
    with pytest.raises(TypeError, match="neither true nor false"):
        bool(UNKNOWN)


def test_a_secret_inside_a_map_is_found_by_its_path() -> None:
    values = {"a": PropertyValue({"b": PropertyValue("x", is_secret=True), "c": PropertyValue("y")})}

    assert secret_paths(values) == {("a", "b")}


def test_a_secret_marks_the_deepest_value_left_of_its_path() -> None:
    values = from_plain({"a": "replaced by a string"}, [("a", "b", 0)])

    assert values["a"].is_secret


def test_what_is_not_named_secret_stays_readable() -> None:
    values = from_plain({"a": {"b": "x", "c": "y"}}, [("a", "b")])

    assert secret_paths(values) == {("a", "b")}


def test_the_data_of_a_secret_is_secret_though_the_program_gave_it_in_clear() -> None:
    found = Properties.around({"apiVersion": "v1", "kind": "Secret", "data": {"tls.key": "eA=="}}, [])

    assert Properties.of(found.wire()).secrets == {("data",)}


def test_the_copy_that_kubectl_keeps_of_a_secret_is_secret() -> None:
    annotation = ("metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration")

    assert annotation in secret_paths_of_object({"kind": "Secret"}, [])


def test_a_secret_in_a_list_makes_the_whole_list_secret() -> None:
    path = ("spec", "containers", 0, "env", 1, "value")

    assert secret_paths_of_object({"kind": "Pod"}, [path]) == {("spec", "containers")}


def test_a_secret_input_is_secret_at_the_same_place_of_the_output() -> None:
    live = {"kind": "ConfigMap", "data": {"a": "x", "b": "y"}, "metadata": {"uid": "1"}}

    assert Properties.of(Properties.around(live, [("data", "a")]).wire()).secrets == {("data", "a")}


def test_a_path_with_dots_and_slashes_is_quoted() -> None:
    path = ("metadata", "annotations", "pulumi.com/patchForce")

    assert render_path(path) == 'metadata.annotations["pulumi.com/patchForce"]'


def test_a_list_index_stands_in_brackets() -> None:
    assert render_path(("spec", "ports", 0, "port")) == "spec.ports[0].port"
