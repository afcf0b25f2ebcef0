"""What `make status` and `make quarantine` say about the sources."""

from __future__ import annotations

import pytest
from trino.exceptions import TrinoUserError

from localstack import source_findings, sql_prompt
from localstack.reporting import LocalError


def test_findings_are_shown_with_what_can_be_done() -> None:
    lines = source_findings.finding_lines(
        [["error", "orders.fee: the source now sends text", "Decide in the contract"]]
    )
    assert lines == [
        "Sources:  1 open finding (table raw.findings)",
        "  error: orders.fee: the source now sends text",
        "         Decide in the contract",
    ]
    assert source_findings.finding_lines([]) == ["Sources:  as agreed"]


def test_rows_that_are_set_aside_are_counted_with_an_example() -> None:
    rows = [["orders", "fee", "numeric(12,2) holds no NaN", 2, "2026-11-24 10:00:00", "NaN"]]
    first, example, _, way_out = source_findings.quarantine_lines(rows)
    assert first == "orders.fee: 2 rows since 2026-11-24 10:00:00: numeric(12,2) holds no NaN"
    assert "NaN" in example
    assert "make quarantine replay=orders" in way_out


@pytest.mark.parametrize(("name", "known"), [("TABLE_NOT_FOUND", True), ("GENERIC_USER_ERROR", False)])
def test_a_lake_without_findings_has_no_table_of_them(monkeypatch: pytest.MonkeyPatch, name: str, known: bool) -> None:
    """Before the first finding there is nothing to read: that is good news, not an error. Other errors are errors."""

    def refuse(_port: int) -> None:
        raise TrinoUserError({"errorName": name, "message": "no such thing"})

    monkeypatch.setattr(sql_prompt, "connect", refuse)
    if known:
        assert source_findings.query(8080, "select 1") == []
        return
    with pytest.raises(LocalError, match="no such thing"):
        source_findings.query(8080, "select 1")
