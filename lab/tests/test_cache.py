from pathlib import Path

import pytest

from lab.base_tree import files_digest, settle
from lab.layer import ensure_layer


@pytest.fixture
def made(tmp_path: Path) -> Path:
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "file").write_text("ours")
    return folder


def test_a_finished_folder_takes_its_place(made: Path, tmp_path: Path) -> None:
    settle(made, tmp_path / "target")
    assert (tmp_path / "target" / "file").read_text() == "ours"


def test_a_folder_that_another_run_finished_first_stays(made: Path, tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "file").write_text("theirs")
    settle(made, tmp_path / "target")
    assert (tmp_path / "target" / "file").read_text() == "theirs"


def test_a_folder_that_cannot_take_its_place_is_an_error(made: Path, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="target"):
        settle(made, tmp_path / "absent" / "target")


@pytest.mark.parametrize("change", ["content", "name", "mode"])
def test_a_digest_changes_with_what_counts(made: Path, change: str) -> None:
    before = files_digest(made)
    file = made / "file"
    match change:
        case "content":
            file.write_text("other")
        case "name":
            file.rename(made / "renamed")
        case _:
            file.chmod(0o755)
    assert files_digest(made) != before


def test_a_layer_holds_programs_and_drop_ins_and_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    program = tmp_path / "k3s"
    program.write_text("program")
    layer = ensure_layer({"k3s": program})
    for name in ("kubectl", "crictl", "ctr"):
        assert (layer / "usr/local/bin" / name).read_text() == "program"
    assert (layer / "usr/local/lib/systemd/system/k3s-agent.service.d/lab.conf").read_text()
    # The file is linked, not copied, since it is the largest one and every machine has it.
    assert (layer / "usr/local/bin/k3s").samefile(program)
    assert ensure_layer({"k3s": program}) == layer
