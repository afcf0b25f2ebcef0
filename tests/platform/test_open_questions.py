"""What the program asks the running platform about its sources: as the user that it is, with the rights that it has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cli.platform import findings, lake
from cli.platform.kube import Kube
from localstack.home import Home

from .test_data import rows


@pytest.fixture
def asking(home: Home) -> Iterator[Any]:
    """A connection as `make` has it."""
    with lake.connected(Kube.of(home, "dev")) as connection:
        yield connection


def test_findings_and_quarantine_can_be_asked(asking: Any) -> None:
    """A query that Trino refuses ends `make status` and `make quarantine` with its error, when a row is set aside."""
    assert findings.finding_lines(lake.rows(asking, findings.FINDINGS))
    assert findings.quarantine_lines(lake.rows(asking, findings.QUARANTINE))


def test_rows_of_a_source_that_is_removed_may_be_deleted(asking: Any) -> None:
    """Access control that lets `make source remove=…` read `raw`, and not delete there. `explain` deletes nothing.

    `orders`: the tables that it deletes from are made with the first finding and the first row that is set aside.
    """
    deleting = "explain (type validate) delete from lake.raw.orders where order_id is null"
    assert [bool(row[0]) for row in rows(asking, deleting)] == [True]
