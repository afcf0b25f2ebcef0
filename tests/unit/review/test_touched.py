"""Which stacks are previewed for a change."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from review import touched
from review.stack_files import stack_files
from tests.unit.review.conftest import ROOT

KNOWN = ["prod", "staging"]


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        (["Pulumi.staging.yaml"], ["staging"]),
        (["Pulumi.dev.yaml", "docs/aws.md", "README.md", "tests/unit/x.py"], []),
        (["components/trino/engine.py"], KNOWN),
        (["pipeline_code/transformation/models/marts/a.sql"], KNOWN),
        (["Pulumi.yaml"], KNOWN),
        (["requirements.lock"], KNOWN),
        (["review/rules/aws.py"], KNOWN),
        (["docs/x.md", "a-new-folder/x"], KNOWN),
        (["modules/docs/x.md"], KNOWN),
        (["modules/Pulumi.staging.yaml"], KNOWN),
        (["Pulumi.staging.eu.yaml"], []),
        ([], []),
    ],
)
def test_a_change_is_previewed_where_it_matters(files: list[str], wanted: list[str]) -> None:
    """A change of the program that nobody previewed; or twenty minutes of previews for a typing error."""
    assert touched.stacks(files, KNOWN) == wanted


def test_a_stack_with_a_dot_in_its_name_is_a_stack_of_its_own(tmp_path: Path) -> None:
    """`make cost s=prod` that reads prod.eu's settings, whichever file comes last."""
    for name in ("prod", "prod.eu"):
        (tmp_path / f"Pulumi.{name}.yaml").touch()
    assert {stack: file.name for stack, file in stack_files(tmp_path).items()} == {
        "prod": "Pulumi.prod.yaml",
        "prod.eu": "Pulumi.prod.eu.yaml",
    }
    assert touched.stacks(["Pulumi.prod.eu.yaml"], ["prod", "prod.eu"]) == ["prod.eu"]


def test_the_repositorys_own_files_are_sorted_as_meant() -> None:
    """A folder of the program that a pattern takes for documentation."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    ignored = {name for name in listed.stdout.split("\n") if name and touched.stacks([name], ["x"]) == []}
    folders = {name.split("/")[0] for name in ignored if "/" in name}
    assert folders <= {"docs", "tests", "cli", "localstack", ".ci", ".github"}
    assert "__main__.py" not in ignored
    assert "pyproject.toml" not in ignored


def test_a_stack_without_an_account_is_never_previewed_there() -> None:
    """A preview of dev that waits for a cluster which the runner does not have."""
    assert "dev" not in touched.on_accounts()
