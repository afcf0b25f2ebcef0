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
from tests.unit.components.conftest import aws_program
from tests.unit.review.conftest import ROOT

FOLDER = ROOT / ".github"
FILES = sorted([*FOLDER.glob("workflows/*.yml"), *FOLDER.glob("actions/*/action.yml")])
WORKFLOWS = [each for each in FILES if each.parent.name == "workflows"]


def loaded(path: Path) -> dict[Any, Any]:
    return dict(yaml.safe_load(path.read_text()))


def steps(path: Path) -> Iterator[dict[str, Any]]:
    content = loaded(path)
    for job in [content["runs"]] if "runs" in content else content["jobs"].values():
        yield from job.get("steps", [])


def run_in(job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the steps of a job in their order, those of this repository's actions in their place."""
    for step in job.get("steps", []):
        used = str(step.get("uses", ""))
        if used.startswith("./"):
            with_role = "role" in step.get("with", {})
            for inner in run_in(loaded(ROOT / used / "action.yml")["runs"]):
                if with_role or inner.get("if") != "inputs.role != ''":
                    yield inner
        else:
            yield step


def deployments() -> dict[str, dict[str, Any]]:
    """Return the jobs that run `pulumi up`."""
    found = {name: job for name, _, job in jobs()}
    return {name: job for name, job in found.items() if any("pulumi up" in each.get("run", "") for each in run_in(job))}


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
    assert len(credentialed) == 6
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


def test_docker_is_logged_in_before_anything_is_pushed() -> None:
    """`no basic auth credentials`: the first push of every deployment. The role may, and nobody asked for the token."""
    assert len(deployments()) == 4
    for name, job in deployments().items():
        commands = [each.get("run", "") for each in run_in(job)]
        pushes = next(number for number, each in enumerate(commands) if "pulumi up" in each)
        logins = [number for number, each in enumerate(commands) if "docker login" in each]
        assert logins, name
        assert logins[0] < pushes, name
        assert "aws ecr get-login-password" in commands[logins[0]]
        credentials = next(n for n, each in enumerate(run_in(job)) if "role-to-assume" in each.get("with", {}))
        assert credentials < logins[0], name


def test_a_deployment_waits_for_the_tests_of_its_commit() -> None:
    """A merge that breaks a test is on staging before the test is through."""
    content = loaded(FOLDER / "workflows/deploy.yml")
    tests = [name for name, job in content["jobs"].items() if job.get("uses") == "./.github/workflows/ci.yml"]
    assert len(tests) == 1
    assert "workflow_call" in loaded(FOLDER / "workflows/ci.yml")[True]
    for name, job in deployments().items():
        assert name.startswith("deploy.yml "), name
        assert tests[0] in job["needs"], name
        # A condition that is true even where a job before it failed.
        assert not re.search(r"always|failure|cancelled", str(job.get("if", ""))), name


def test_a_job_that_was_never_seen_to_run_stops_no_deployment_unasked() -> None:
    """No deployment gets out, because of a job that nobody has seen pass, and nobody knows how to leave it out."""
    found = loaded(FOLDER / "workflows/ci.yml")["jobs"]
    assert found["localstack"]["if"] == "github.event_name == 'pull_request' || vars.LOCALSTACK_REQUIRED == 'true'"
    # The others have been seen to pass, on other machines, and can't be left out.
    assert [name for name, job in found.items() if "if" in job or "continue-on-error" in job] == ["localstack"]
    page = (ROOT / "docs/pull-requests.md").read_text()
    assert "LOCALSTACK_REQUIRED" in page


def test_the_drift_check_waits_for_nobody() -> None:
    """A review is asked of every night's run; it is answered once, and then no more."""
    (drift,) = [job for name, _, job in jobs() if name == "deploy.yml drift"]
    assert drift["environment"] == "${{ matrix.stack }}-drift"
    assert "needs" not in drift
    others = {job["environment"] for name, _, job in jobs() if "environment" in job and name != "deploy.yml drift"}
    assert drift["environment"] not in others


def test_no_architecture_is_emulated() -> None:
    """Nine images under QEMU: more than the two hours that a job and its credentials have."""
    for path in FILES:
        assert "qemu" not in path.read_text()
    found = deployments()
    for stack in ("staging", "prod"):
        native, whole = found[f"deploy.yml {stack}-arm64"], found[f"deploy.yml {stack}"]
        assert "ubuntu-24.04-arm" in native["runs-on"]
        assert native["steps"][-1]["with"]["images"] == "arm64"
        assert f"{stack}-arm64" in whole["needs"]
        assert "images" not in whole["steps"][-1]["with"]


def test_every_update_runs_the_policy_pack() -> None:
    """Rules that a reviewer sees kept, and that the deployment no longer asks about."""
    for path in FILES:
        for step in steps(path):
            for line in step.get("run", "").replace("\\\n", " ").splitlines():
                if "pulumi up" in line or "pulumi preview --non-interactive --diff" in line:
                    assert "--policy-pack review/pack" in line
    assert (ROOT / "review/pack/PulumiPolicy.yaml").is_file()


@pytest.mark.parametrize("stack", ["staging", "prod"])
def test_images_that_are_built_first_are_built_with_what_they_need(stack: str) -> None:
    """A commit that adds an image, and whose deployment fails for want of the image's repository."""
    action = (ROOT / ".github/actions/deploy/action.yml").read_text()
    targets = [each.replace("$IMAGES", "arm64") for each in re.findall(r'--target "([^"]+)"', action)]
    # Pulumi's own rule: `*` stops at a colon, `**` does not.
    patterns = [re.escape(each).replace(r"\*\*", ".*").replace(r"\*", "[^:]*") for each in targets]
    resources = aws_program(stack)[0]
    chosen = {each.urn for each in resources if any(re.fullmatch(pattern, each.urn) for pattern in patterns)}
    kinds = {each.type for each in resources if each.urn in chosen}
    assert {"docker-build:index:Image", "aws:ecr/repository:Repository"} <= kinds
    by_urn = {each.urn: each for each in resources}
    made = {urn for urn, each in by_urn.items() if each.type.startswith(("aws:ecr/", "docker-build:"))}
    for urn in sorted(chosen):
        assert by_urn[urn].after & made <= chosen, f"{urn} needs {by_urn[urn].after & made - chosen}"
