"""The workflows and actions of GitHub, as files: what they may do, and that they call what exists."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from review import __main__ as commands
from tests.unit.review.conftest import ROOT

FOLDER = ROOT / ".github"
FILES = sorted([*FOLDER.glob("workflows/*.yml"), *FOLDER.glob("actions/*/action.yml")])
WORKFLOWS = [each for each in FILES if each.parent.name == "workflows"]


def loaded(path: Path) -> dict[Any, Any]:
    return dict(yaml.safe_load(path.read_text()))


def steps(path: Path) -> Iterator[dict[str, Any]]:
    content = loaded(path)
    for job in [content["runs"]] if "runs" in content else content["jobs"].values():
        yield from job["steps"]


def jobs() -> Iterator[tuple[str, dict[Any, Any], dict[str, Any]]]:
    for path in WORKFLOWS:
        content = loaded(path)
        # YAML 1.1 reads the key `on` as true.
        for name, job in content["jobs"].items():
            yield f"{path.name} {name}", content[True], job


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_actions_are_pinned_by_commit(path: Path) -> None:
    """A tag that its owner, or who took over the account, moves to other code, which then runs with our role."""
    for line in path.read_text().splitlines():
        used = re.search(r"uses: (\S+)(.*)", line)
        if used and not used[1].startswith("./"):
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", used[1]), line
            assert re.fullmatch(r" # v\d+\.\d+\.\d+", used[2]), line


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_only_read_unless_a_job_says_more(path: Path) -> None:
    """The default token, which may write to the repository, in the hands of a pull request's code."""
    content = loaded(path)
    assert content["permissions"] == {"contents": "read"}
    assert "pull_request_target" not in content[True]
    allowed = {"contents": {"read"}, "id-token": {"write"}, "pull-requests": {"write"}}
    for job in content["jobs"].values():
        for name, value in job.get("permissions", {}).items():
            assert value in allowed[name], name


def test_whoever_gets_credentials_is_in_an_environment_and_no_fork() -> None:
    """A role for which any job of any pull request qualifies."""
    credentialed = [(name, on, job) for name, on, job in jobs() if "id-token" in job.get("permissions", {})]
    assert len(credentialed) == 4
    for name, on, job in credentialed:
        assert "environment" in job, name
        if "pull_request" in on:
            assert "head.repo.full_name == github.repository" in job["if"], name


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_text_of_a_stranger_becomes_a_command(path: Path) -> None:
    """A branch called `$(curl …)` that the shell runs; or a secret printed into a public log."""
    for step in steps(path):
        assert "${{" not in step.get("run", ""), step
        if str(step.get("uses", "")).startswith("actions/checkout"):
            assert step["with"]["persist-credentials"] is False
    assert "secrets." not in path.read_text()
    assert "show-secrets" not in path.read_text()


def test_commands_of_the_workflows_exist() -> None:
    """An option renamed here and not there: found by the next pull request, as a traceback."""
    found = []
    for path in FILES:
        for step in steps(path):
            text = step.get("run", "").replace("\\\n", " ")
            found += re.findall(r"python -m review ([^|\n)]+)", text)
    assert len(found) == 4
    for line in found:
        words = shlex.split(re.split(r"\s(?:>>?|<|\|\|)\s", line)[0])
        commands.parser().parse_args([word.replace("$NUMBER", "7") for word in words])
    assert {line.split()[0] for line in found} == {"stacks", "summary", "comment"}


def test_every_update_runs_the_policy_pack() -> None:
    """Rules that a reviewer sees kept, and that the deployment no longer asks about."""
    for path in FILES:
        for step in steps(path):
            for line in step.get("run", "").splitlines():
                if "pulumi up" in line or "pulumi preview --non-interactive --diff" in line:
                    assert "--policy-pack review/pack" in line
    assert (ROOT / "review/pack/PulumiPolicy.yaml").is_file()
