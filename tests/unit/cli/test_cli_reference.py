"""What is generated from the settings: the schema that editors check a stack's file by, and the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from cli.commands.lint import checks
from cli.reference.files import contents, stale, write
from cli.reference.page import page
from cli.reference.schema import SCHEMA_FILE, setting, stack_schema
from components.settings import Settings
from review.stack_files import stack_files

ROOT = Path(__file__).parents[3]
AWS = {"account": "123456789012", "region": "eu-central-1", "tags": {"owner": "me", "cost_center": "1"}}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """The schema of a stack's file."""
    return stack_schema()


def errors(schema: dict[str, Any], content: Any) -> list[str]:
    """Where a stack's file breaks the schema, and how."""
    checker = jsonschema.Draft7Validator(schema)
    return [f"{'.'.join(map(str, each.path))}: {each.message}" for each in checker.iter_errors(content)]


def test_the_schema_is_one(schema: dict[str, Any]) -> None:
    """An editor would ignore it."""
    jsonschema.Draft7Validator.check_schema(schema)


@pytest.mark.parametrize("stack", stack_files(ROOT))
def test_the_stack_files_are_valid_and_name_the_schema(schema: dict[str, Any], stack: str) -> None:
    """An editor would mark right settings as wrong, or know nothing of the schema."""
    text = (ROOT / f"Pulumi.{stack}.yaml").read_text()
    assert errors(schema, yaml.safe_load(text)) == []
    assert text.splitlines()[0] == f"# yaml-language-server: $schema={SCHEMA_FILE}"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"headwater:storgae": {}}, "storgae"),
        ({"headwater:storage": {"siez": "1Gi"}}, "siez"),
        ({"headwater:trino": {"workers": {"maximun": 1}}}, "maximun"),
        ({"headwater:trino": {"workers": {"maximum": "many"}}}, "trino.workers.maximum"),
        ({"headwater:trino": {"cpu": 2}}, "trino.cpu"),
        ({"headwater:trino": {"memory": "2 GB"}}, "trino.memory"),
        ({"headwater:storage": {"kind": "s4"}}, "'s4'"),
        ({"headwater:dashboards": {"threads": 0}}, "minimum"),
        ({"headwater:sizes": {"minio": {"memroy": "1Gi"}}}, "memroy"),
        ({"headwater:aws": {"account": "123456789012", "region": "eu-central-1"}}, "'tags' is a required property"),
        ({"headwater:rootSecret": "in plain text"}, "rootSecret"),
        ({"headwater:images": {"base_images": {"RUBY_IMAGE": "x@sha256:1"}}}, "RUBY_IMAGE"),
    ],
)
def test_a_wrong_setting_is_marked(schema: dict[str, Any], config: dict[str, Any], said: str) -> None:
    """A schema that takes everything."""
    (error,) = errors(schema, {"config": config})
    assert said in error


@pytest.mark.parametrize(
    "config",
    [
        {"aws:region": "eu-central-1", "kubernetes:context": "x"},
        {"headwater:sizes": {"minio": {"memory_limit": "2Gi"}}},
        {"headwater:aws": {**AWS, "account": 123456789012}},
        {"headwater:rootSecret": {"secure": "v1:abc"}},
        {"headwater:sourcePasswords": {"crm": {"secure": "v1:abc"}}},
        {"headwater:generations": {"trino-dbt": 2}},
        {"headwater:example": {"scale": 1}},
    ],
)
def test_what_a_stack_may_say_is_not_marked(schema: dict[str, Any], config: dict[str, Any]) -> None:
    """An editor that marks what `pulumi config set` wrote, or what the program takes."""
    assert errors(schema, {"config": config, "secretsprovider": "awskms://alias/KEY"}) == []


def test_defaults_are_those_of_the_settings(schema: dict[str, Any]) -> None:
    """A default in the page that is of the class, where the section's own field says another."""
    shown = setting(schema, "sizes.minio.memory_limit")
    assert shown is not None
    assert shown["default"] == Settings().sizes.minio.memory_limit == "1Gi"
    network = setting(schema, "aws.network.zones[0]")
    assert network is not None
    assert network["type"] == "string"
    assert setting(schema, "aws.network.zone") is None


def test_the_page_has_every_setting_with_its_path(schema: dict[str, Any]) -> None:
    """A setting that only its Python file has."""
    text = page(schema)
    for path in ("aws.network.cidr", "aws.cluster.nodes.spot_cpu", "catalog.oauth2.server_uri", "serving.oidc.roles"):
        assert f"| `headwater:{path}` |" in text
    assert "| `headwater:trino.workers.spill` | text | `20Gi` | a size such as 512Mi or 20Gi |" in text
    assert "| `headwater:aws.account` | text or whole number | **required** |" in text
    assert "| `shop_generator` | `100m` | `256Mi` | `2Gi` | not set | not set |" in text


def test_the_generated_files_are_what_the_settings_say() -> None:
    """A page and a schema of the settings of last month: `make docs`."""
    assert stale(ROOT) == []


def test_a_generated_file_that_was_changed_by_hand_is_named(tmp_path: Path) -> None:
    """`make lint` would pass over it."""
    (tmp_path / "docs").mkdir()
    assert stale(tmp_path) == list(contents())
    write(tmp_path)
    assert stale(tmp_path) == []
    (tmp_path / SCHEMA_FILE).write_text("{}")
    assert stale(tmp_path) == [SCHEMA_FILE]
    assert ("python", "-m", "cli.reference") in [each.argv for each in checks(ROOT, [])]
