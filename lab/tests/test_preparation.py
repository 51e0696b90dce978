"""What `python -m lab prepare` prepares for the tests, on computers that can carry the lab and on others."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from lab import needs, preparation, tool_sets, toolchain
from lab.needs import Lack
from lab.packages import Package
from lab.settings import LabError


class Record:
    """Records the requested packages and programs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *lacks: Lack) -> None:
        self.said: list[str] = []
        self.packages: list[str] = []
        self.tools: list[list[str]] = []
        self.trees = 0
        self.refusal: LabError | None = None
        monkeypatch.setattr(needs, "lacks", lambda: list(lacks))
        monkeypatch.setattr(preparation, "say", self.said.append)
        monkeypatch.setattr(preparation, "ensure_packages", self._ensure_packages)
        monkeypatch.setattr(preparation, "ensure_base_tree", self._ensure_base_tree)
        monkeypatch.setattr(toolchain, "ensure", self._ensure)

    def _ensure_packages(self, packages: Sequence[Package]) -> None:
        self.packages += [package.name for package in packages]
        if self.refusal:
            raise self.refusal

    def _ensure(self, names: Sequence[str]) -> dict[str, Path]:
        self.tools.append(list(names))
        return {}

    def _ensure_base_tree(self) -> Path:
        self.trees += 1
        return Path("/tree")


def test_everything_is_built_in_one_go_so_that_builds_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    record = Record(monkeypatch)
    preparation.prepare()
    (names,) = record.tools
    assert {tool_set.name for tool_set in tool_sets.find(names)} == set(tool_sets.SETS) - tool_sets.ON_DEMAND
    assert record.trees == 1


def test_packages_of_the_lab_and_of_the_tests_are_installed_together(monkeypatch: pytest.MonkeyPatch) -> None:
    record = Record(monkeypatch)
    preparation.prepare()
    assert {"systemd-container", "busybox-static", "curl", "wget"} <= set(record.packages)


def test_where_the_lab_cannot_be_carried_the_lack_is_named_and_the_rest_prepared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record = Record(monkeypatch, Lack("root", "use sudo"))
    record.refusal = LabError("missing packages: wget (pushes)")
    preparation.prepare()
    assert record.said == [
        "The tests on machines will be skipped: root: use sudo",
        "Some tests will be skipped: missing packages: wget (pushes)",
    ]
    (names,) = record.tools
    assert {"pulumi-kubernetes", "pulumi", "pulumi-language", "k3s", "registry", "wharfie", "actionlint"} == set(names)
    assert record.trees == 0


def test_what_can_be_had_here_and_is_not_had_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    record = Record(monkeypatch)
    record.refusal = LabError("apt-get failed")
    with pytest.raises(LabError, match="apt-get failed"):
        preparation.prepare()
