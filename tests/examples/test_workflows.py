"""The workflows for a user's repository: what linters say, and what their own scripts do."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from lab import toolchain

WORKFLOWS: Final = sorted((Path(__file__).parents[2] / "examples/github").glob("*.yml"))
BIN: Final = Path(sys.executable).parent
PINNED: Final = re.compile(r"- uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
GH: Final = """#!/bin/sh
case " $* " in *' --jq '*) cat found; exit ;; esac
for word; do case $word in body=@*) cp "${word#body=@}" body ;; esac; done
echo "$@" >>asked
"""
"""Answers a search with the file `found`, and writes down every other request."""
workflows = pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)


def found_by(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def jobs(name: str) -> dict[str, Any]:
    path = next(path for path in WORKFLOWS if path.stem == name)
    return dict(yaml.safe_load(path.read_text())["jobs"])


def run(folder: Path, workflow: str, job: str, programs: dict[str, str], **environment: str) -> int:
    """Run the last step of a job as GitHub does, with stand-ins for some programs."""
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    script = folder / "step.sh"
    script.write_text(jobs(workflow)[job]["steps"][-1]["run"])
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    known = {"PATH": path, "GITHUB_OUTPUT": "output", "STACK": "prod", "GH_REPO": "me/registry", "RUN": "https://run"}
    done = subprocess.run(["bash", "-e", script], cwd=folder, env={**known, **environment}, check=False)
    return done.returncode


@workflows
def test_actionlint_finds_nothing(workflow: Path) -> None:
    actionlint = toolchain.ensure(["actionlint"])["actionlint"]
    assert found_by(actionlint, "-no-color", "-shellcheck", BIN / "shellcheck", workflow) == ""


@workflows
def test_zizmor_finds_nothing(workflow: Path) -> None:
    assert found_by(BIN / "zizmor", "--offline", "--no-progress", "--persona", "pedantic", workflow) == ""


@workflows
def test_actions_are_pinned_and_say_their_version(workflow: Path) -> None:
    used = [line.strip() for line in workflow.read_text().splitlines() if "uses:" in line]
    assert used
    assert [line for line in used if not PINNED.match(line)] == []


@workflows
def test_a_job_that_can_write_runs_no_code_of_the_repository_and_has_no_secret(workflow: Path) -> None:
    writing = [job for job in jobs(workflow.stem).values() if "write" in job["permissions"].values()]
    assert writing
    for job in writing:
        assert "secrets." not in (text := yaml.safe_dump(job))
        assert "uses:" not in text


def test_a_fork_gets_a_sentence_in_place_of_secrets() -> None:
    preview = jobs("preview")
    ours = "github.event.pull_request.head.repo.full_name == github.repository"
    assert preview["preview"]["if"] == ours
    assert preview["fork"]["if"] == ours.replace("==", "!=")
    assert [name for name, job in preview.items() if "secrets." in yaml.safe_dump(job)] == ["preview"]


def test_a_failed_preview_fails_the_job_and_is_handed_on(tmp_path: Path) -> None:
    pulumi = "#!/bin/sh\necho '    + one'\necho '      ~ two: é'\necho 'error: no'\nexit 3\n"
    assert run(tmp_path, "preview", "preview", {"pulumi": pulumi}) == 3
    first, *text, last = (tmp_path / "output").read_text().splitlines()
    assert first == f"text<<{last}"
    # Signs come first, since GitHub colours only such lines.
    assert text == ["+     one", "!       two: é", "error: no", ""]


@pytest.mark.parametrize(
    ("found", "method"), [("", "issues/7/comments"), ("55\n66\n", "PATCH repos/me/registry/issues/comments/55")]
)
def test_the_comment_is_created_once_and_edited_later(tmp_path: Path, found: str, method: str) -> None:
    (tmp_path / "found").write_text(found)
    assert (
        run(tmp_path, "preview", "comment", {"gh": GH}, NUMBER="7", COMMIT="c0ffee", RESULT="success", TEXT="+ a") == 0
    )
    (asked,) = (tmp_path / "asked").read_text().splitlines()
    assert method in asked
    assert ("PATCH" in asked) == bool(found)
    body = (tmp_path / "body").read_text()
    assert body.startswith("<!-- k3s-registry: preview of prod -->\n")
    assert "\n~~~~~~~~diff\n+ a\n~~~~~~~~\n" in body


@pytest.mark.parametrize(
    ("found", "result", "asked"),
    [
        ("", "success", ""),
        ("", "failure", "repos/me/registry/issues -f title="),
        ("9\n", "failure", "PATCH repos/me/registry/issues/9 -F body=@issue.md"),
        ("9\n", "success", "PATCH repos/me/registry/issues/9 -f state=closed"),
    ],
    ids=["all is well", "first finding", "later finding", "mended"],
)
def test_one_issue_is_opened_edited_and_closed(tmp_path: Path, found: str, result: str, asked: str) -> None:
    (tmp_path / "found").write_text(found)
    (tmp_path / "asked").touch()
    assert run(tmp_path, "audit", "report", {"gh": GH}, RESULT=result, TEXT="cube01: no name") == 0
    said = (tmp_path / "asked").read_text()
    assert asked in said
    assert bool(said) == bool(asked)


def test_the_commands_that_the_audit_runs_exist() -> None:
    called = set(re.findall(r"python -m ops (\w+)", yaml.safe_dump(jobs("audit"))))
    assert called == {"doctor"}
    assert importlib.util.find_spec("ops.doctor") is not None
