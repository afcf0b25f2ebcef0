"""`python -m review`, as the workflows call it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from review import __main__ as commands
from tests.unit.review.conftest import FIXTURES


def test_a_summary_of_a_failed_preview_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A green check beside a comment that says the preview failed."""
    assert commands.main(["summary", str(FIXTURES / "failed.json"), "--stack", "dev"]) == 1
    good = tmp_path / "preview.json"
    recorded = (FIXTURES / "unchanged-whole.json").read_text()
    good.write_text(recorded.replace("aws:rds/instance:Instance", "acme:index:Disk"))
    assert commands.main(["summary", str(good), "--stack", "dev"]) == 0
    assert "6 unchanged" in capsys.readouterr().out


def test_a_broken_rule_fails_and_is_in_the_comment(capsys: pytest.CaptureFixture[str]) -> None:
    """Pulumi's JSON leaves violations out: a pack that refuses, and a comment that doesn't say why."""
    assert commands.main(["summary", str(FIXTURES / "changed.json"), "--stack", "dev", "--markdown"]) == 1
    shown = capsys.readouterr().out
    assert "encrypted-at-rest: Instance data: storageEncrypted is missing" in shown


def test_a_preview_without_unchanged_resources_is_not_judged(capsys: pytest.CaptureFixture[str]) -> None:
    """Rules about a stack that see half of it: a bucket whose guards did not change looks unguarded."""
    assert commands.main(["summary", str(FIXTURES / "unchanged.json"), "--stack", "dev"]) == 1
    assert "--show-sames" in capsys.readouterr().err


def test_an_empty_file_is_no_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A preview that never ran, commented as "no changes"."""
    empty = tmp_path / "preview.json"
    empty.touch()
    assert commands.main(["summary", str(empty), "--stack", "dev"]) == 1
    assert "an empty text is no JSON" in capsys.readouterr().err


def test_the_matrix_is_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A workflow whose matrix can't be read."""
    monkeypatch.setattr("sys.stdin", io.StringIO("docs/a.md\nREADME.md\n"))
    assert commands.main(["stacks"]) == 0
    assert json.loads(capsys.readouterr().out) == []
