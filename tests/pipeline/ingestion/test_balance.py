"""Rows that came = rows stored + set aside + removals, checked before a load is shown: no fault loses one quietly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from conftest import Shop
from target_iceberg.commit.load import Load
from target_iceberg.files.datafile import DataFileWriter
from target_iceberg.files.part import Layout, Part
from target_iceberg.rows.intake import Intake
from target_iceberg.run import IncompleteStreamError


def messages(*rows: dict[str, Any], step: int = 1) -> list[dict[str, Any]]:
    properties = {
        "id": {"type": "integer"},
        "v": {"type": ["integer", "null"]},
        "_sdc_deleted_at": {"type": ["string", "null"], "format": "date-time"},
    }
    return [
        {"type": "SCHEMA", "stream": "pets", "key_properties": ["id"], "schema": {"properties": properties}},
        *({"type": "RECORD", "stream": "pets", "record": row} for row in rows),
        {"type": "STATE", "value": {"bookmarks": {"pets": {"at": step}}}},
    ]


FIRST = messages(*({"id": number, "v": number} for number in range(200)))
MORE = messages(*({"id": number, "v": -number} for number in range(150, 300)), step=2)


def less_one(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.slice(0, batch.num_rows - 1)


def lose_in_the_writer(patch: pytest.MonkeyPatch) -> None:
    write = DataFileWriter.write
    patch.setattr(DataFileWriter, "write", lambda self, batch: write(self, less_one(batch)))


def lose_in_the_layout(patch: pytest.MonkeyPatch) -> None:
    conform = Layout.conform
    patch.setattr(Layout, "conform", lambda self, batch, at: conform(self, less_one(batch), at))


def lose_before_the_load(patch: pytest.MonkeyPatch) -> None:
    write = Load.write
    patch.setattr(Load, "write", lambda self, batch: write(self, less_one(batch)))


def lose_in_the_intake(patch: pytest.MonkeyPatch) -> None:
    store = Intake._store
    patch.setattr(Intake, "_store", lambda self, batch, arrays: store(self, less_one(batch), arrays))


def lose_a_file(patch: pytest.MonkeyPatch) -> None:
    close = Part.close

    def closed(self: Part) -> None:
        close(self)
        self.files.clear()

    patch.setattr(Part, "close", closed)


FAULTS = [lose_in_the_writer, lose_in_the_layout, lose_before_the_load, lose_in_the_intake, lose_a_file]


@pytest.mark.parametrize("write", ["append", "merge"])
@pytest.mark.parametrize("lose", FAULTS)
def test_a_row_that_is_lost_on_the_way_fails_the_load(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, lose: Callable[[pytest.MonkeyPatch], None], write: str
) -> None:
    shop.contract(f"key: [id]\nwrite: {write}\n", "pets")
    shop.load(FIRST)
    with monkeypatch.context() as patch:
        lose(patch)
        with pytest.raises(IncompleteStreamError, match=r"rows came.*Nothing was committed"):
            shop.load(MORE)
    assert shop.count("pets") == 200
    assert shop.state["bookmarks"]["pets"] == {"at": 1}


def test_removals_superseded_and_rejected_rows_are_counted(shop: Shop) -> None:
    """None of them is a row of the table, and none is missing."""
    gone = "2026-01-01T00:00:00Z"
    rows = [{"id": 1, "v": 2}, {"id": 1, "v": 3}, {"id": 2, "_sdc_deleted_at": gone}, {"id": 4, "v": "x"}]
    for deletes in ("hard", "soft", "keep"):
        shop.contract(f"key: [id]\nwrite: merge\ndeletes: {deletes}\n", f"pets_{deletes}")
        for sent in (FIRST, messages(*rows, step=2)):
            renamed = [{**message, "stream": f"pets_{deletes}"} if "stream" in message else message for message in sent]
            shop.load(renamed)
        assert len(shop.quarantine()) == ["hard", "soft", "keep"].index(deletes) + 1


def test_keys_that_were_not_looked_through_are_said(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond five million rows duplicates were no longer looked for, and nothing said so."""
    monkeypatch.setattr("target_iceberg.rows.intake.MOST_KEYS_WATCHED", 100)
    shop.contract("key: [id]\nquarantine: {share: 100%}\n", "pets")
    keyless = [{**message, "key_properties": []} if message["type"] == "SCHEMA" else message for message in FIRST]
    shop.load(keyless)
    assert shop.findings()["duplicate_key", ""] == "error"
