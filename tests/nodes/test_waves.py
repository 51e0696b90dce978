"""The waves in which nodes are visited."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.config.model import Rollout
from components.config.nodes import Node, Role, Ssh
from components.nodes.waves import summary, waves

DEFAULT = ("1", "10%")


def nodes(count: int, servers: Sequence[int] = ()) -> list[Node]:
    return [
        Node(
            name=f"cube{number:02d}",
            host=f"10.0.0.{number}",
            host_key="key",
            ssh=Ssh(),
            offline=False,
            role=Role.SERVER if number in servers else None,
        )
        for number in range(1, count + 1)
    ]


def sizes(count: int, wanted: Sequence[str]) -> list[int]:
    return [len(wave) for wave in waves(nodes(count), Rollout.WAVES, wanted)]


@pytest.mark.parametrize(
    ("count", "wanted", "found"),
    [
        (30, DEFAULT, [1, 2, 27]),
        (300, DEFAULT, [1, 29, 270]),
        (3, DEFAULT, [1, 2]),
        (1, DEFAULT, [1]),
        (40, ["1", "5", "50%"], [1, 4, 15, 20]),
        (40, ["100%"], [40]),
        (5, ["3", "10%"], [3, 2]),
        (5, ["9"], [5]),
    ],
)
def test_sizes_count_the_nodes_that_are_done(count: int, wanted: list[str], found: list[int]) -> None:
    assert sizes(count, wanted) == found


def test_a_part_of_a_node_is_a_node() -> None:
    assert sizes(7, ["10%"]) == [1, 6]


def test_servers_come_after_the_agents_of_their_wave() -> None:
    planned = waves(nodes(5, servers=[1, 3]), Rollout.WAVES, ["1", "3"])
    assert [[node.name for node in wave] for wave in planned] == [
        ["cube01"],
        ["cube02"],
        ["cube03"],
        ["cube04", "cube05"],
    ]


def test_a_parallel_rollout_is_one_wave() -> None:
    assert [len(wave) for wave in waves(nodes(9), Rollout.PARALLEL, DEFAULT)] == [9]


def test_a_serial_rollout_is_a_wave_per_node_with_servers_last() -> None:
    planned = waves(nodes(3, servers=[1]), Rollout.SERIAL, DEFAULT)
    assert [[node.name for node in wave] for wave in planned] == [["cube02"], ["cube03"], ["cube01"]]


@given(
    count=st.integers(1, 60),
    servers=st.sets(st.integers(1, 60)),
    rollout=st.sampled_from(Rollout),
    wanted=st.lists(st.one_of(st.integers(1, 70).map(str), st.integers(1, 100).map("{}%".format)), max_size=4),
)
def test_each_node_is_in_exactly_one_wave(count: int, servers: set[int], rollout: Rollout, wanted: list[str]) -> None:
    everyone = nodes(count, servers=list(servers))
    planned = waves(everyone, rollout, wanted)
    assert sorted(node.name for wave in planned for node in wave) == [node.name for node in everyone]
    assert all(planned)


def test_a_preview_names_the_waves_and_shortens_long_ones() -> None:
    planned = waves(nodes(12), Rollout.WAVES, ["1", "3"])
    assert summary(planned) == (
        "rollout in 3 waves, each proved before the next begins; 1: cube01; 2: cube02, cube03; "
        "3: cube04, cube05, cube06, cube07 and 5 more"
    )
