"""Passwords of the sources that `make source` added: from the stack's secrets or this machine's file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pulumi
import pytest

from components import settings

KEY = "headwater:sourcePasswords"


def read(
    names: list[str], config: Mapping[str, str], *, secret: bool = True, environment: Mapping[str, str] | None = None
) -> dict[str, pulumi.Output[str]]:
    pulumi.runtime.config.set_all_config(dict(config), list(config) if secret else [])
    try:
        return settings.source_passwords(pulumi.Config("headwater"), names, {} if environment is None else environment)
    finally:
        pulumi.runtime.config.set_all_config({}, [])


def test_each_source_has_a_variable_of_its_own(tmp_path: Path) -> None:
    """A source without a password stops every deployment, or a variable that is not the Meltano file's."""
    kept = tmp_path / "passwords.json"
    kept.write_text('{"erp": "b", "gone": "c"}')
    found = read(
        ["crm", "erp", "new"],
        {KEY: json.dumps({"crm": "a"})},
        environment={"HEADWATER_SOURCE_PASSWORDS_FILE": str(kept)},
    )
    assert sorted(found) == ["CRM_PASSWORD", "ERP_PASSWORD"]
    missing = {"HEADWATER_SOURCE_PASSWORDS_FILE": str(tmp_path / "none")}
    assert read(["crm"], {}, environment=missing) == {}


def test_passwords_in_plain_text_are_refused() -> None:
    """`pulumi config set` without --secret would commit them."""
    with pytest.raises(pulumi.RunError, match=r"in plain text: .*config set --secret") as raised:
        read(["crm"], {KEY: '{"crm": "hush"}'}, secret=False)
    assert "hush" not in str(raised.value)


def test_a_file_that_is_no_json_is_named_without_what_it_holds(tmp_path: Path) -> None:
    kept = tmp_path / "passwords.json"
    kept.write_text('{"crm": "hush"')
    with pytest.raises(pulumi.RunError, match=r"passwords\.json") as raised:
        read(["crm"], {}, environment={"HEADWATER_SOURCE_PASSWORDS_FILE": str(kept)})
    assert "hush" not in str(raised.value)


def test_a_source_with_a_password_is_a_file_that_asks_for_one(tmp_path: Path) -> None:
    """A folder of files, which has none, warns at every deployment that its runs will fail."""
    (tmp_path / "crm.meltano.yml").write_text("password: $CRM_PASSWORD")
    (tmp_path / "exports.meltano.yml").write_text("path: s3://lake/files/exports")
    (tmp_path / "README.md").write_text("")
    assert settings.added_sources(tmp_path) == ["crm"]
