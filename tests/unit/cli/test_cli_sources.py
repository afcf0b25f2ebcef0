"""What `make status` and `make quarantine` say about the sources."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest
from trino.exceptions import TrinoUserError

from cli.platform import findings as source_findings
from cli.platform import lake
from localstack.errors import LocalError


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
    reason = "numeric(12,2) holds no NaN"
    rows = [["orders", "fee", reason, 2, "2026-11-24 10:00:00", "NaN", reason, "", False]]
    first, example, _, _, way_out = source_findings.quarantine_lines(rows)
    assert first == "orders.fee: 2 rows since 2026-11-24 10:00:00: numeric(12,2) holds no NaN"
    assert "NaN" in example
    assert "make quarantine replay=orders" in way_out


def test_lines_that_are_no_rows_get_an_advice_that_helps() -> None:
    """`replay=` is advised, and keeps every one of them, as often as it is run."""
    line = [
        "crm_a",
        "line",
        "a line has fewer values",
        2,
        "2026-11-24",
        "x",
        "line 7 has fewer values",
        "a/1.csv",
        True,
    ]
    row = ["crm_a", "id", "is no bigint", 1, "2026-11-24", "y", "is no bigint", "a/1.csv", False]
    lines = source_findings.quarantine_lines([line])
    assert lines[:2] == [
        "crm_a.line: 2 lines since 2026-11-24: a line has fewer values",
        "         for example 'x', file a/1.csv, line 7",
    ]
    assert not any("replay=" in each for each in lines)
    assert "delete from lake.raw.quarantine where stream = 'crm_a' and key = '{}'" in lines[-1]
    assert sum("replay=crm_a" in each for each in source_findings.quarantine_lines([line, row])) == 1


def test_a_source_that_is_taken_back_takes_its_findings_along() -> None:
    """They stay in `make status` for ever; or those of `crm_eu` go with `crm`."""
    found = source_findings.of_source("crm", ["crm_eu", "shop"], ["crm_eu_orders", "crm_own", "orders"])
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.create_function("starts_with", 2, str.startswith)
        database.execute("create table t (stream text)")
        database.executemany(
            "insert into t values (?)", [("crm_a",), ("crm_eu_b",), ("crm_own",), ("crmx",), ("orders",)]
        )
        assert database.execute(f"select stream from t where {found}").fetchall() == [("crm_a",)]


@pytest.mark.parametrize(("name", "known"), [("TABLE_NOT_FOUND", True), ("GENERIC_USER_ERROR", False)])
def test_a_lake_without_findings_has_no_table_of_them(name: str, known: bool) -> None:
    """Before the first finding there is nothing to read: that is good news, not an error. Other errors are errors."""

    class Refusing:
        def cursor(self) -> None:
            raise TrinoUserError({"errorName": name, "message": "no such thing"})

    if known:
        assert lake.rows(Refusing(), "select 1") == []
        return
    with pytest.raises(LocalError, match="no such thing"):
        lake.rows(Refusing(), "select 1")
