"""Row groups have the documented size, however small the batches are that rows come in, and so has the memory."""

from __future__ import annotations

import datetime as dt
import io
import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from headwater_contracts import Contract
from pyiceberg.catalog import Catalog
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField, StringType, TimestamptzType
from target_iceberg.commit.load import Load
from target_iceberg.files import datafile, passage
from target_iceberg.messages.pipe import BrokenStreamError
from target_iceberg.rows.drift import plan
from target_iceberg.rows.intake import Intake
from target_iceberg.rows.types import LOADED_AT

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
SCHEMA = Schema(
    NestedField(1, "id", LongType(), required=True),
    NestedField(2, "note", StringType()),
    NestedField(3, LOADED_AT, TimestamptzType(), required=True),
)


def begin(catalog: Catalog, stream: str = "t") -> Load:
    return Load(
        catalog, f"raw_{uuid.uuid4().hex}", stream, stream=stream, run_id=str(uuid.uuid4()), loaded_at=NOW,
        schema=SCHEMA, start=None,
    )  # fmt: skip


def batch(first: int, rows: int, width: int = 84) -> pa.RecordBatch:
    """Rows of about `width` + 20 Arrow bytes, with their time of loading."""
    notes = [f"{number:0{width}d}" for number in range(first, first + rows)]
    return pa.RecordBatch.from_pydict({"id": pa.array(range(first, first + rows), pa.int64()), "note": notes})


def groups(load: Load) -> list[int]:
    """Return the rows of each row group, file by file."""
    load.commit({"at": 1})
    files = [task.file.file_path.removeprefix("file://") for task in load._table.scan().plan_files()]
    found = [pq.read_metadata(path) for path in files]
    return [each.row_group(number).num_rows for each in found for number in range(each.num_row_groups)]


def test_batches_are_collected_for_a_row_group(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row group a batch made scans pay for each, and files nearly as large again."""
    monkeypatch.setattr(datafile, "ROW_GROUP_BYTES", 1 << 20)
    load = begin(catalog)
    for number in range(100):
        load.write(batch(number * 200, 200))  # 2 MB
    found = groups(load)
    assert sum(found) == 20_000
    assert len(found) in (2, 3)


def test_a_batch_that_is_too_large_is_divided(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datafile, "ROW_GROUP_BYTES", 1 << 18)
    load = begin(catalog)
    load.write(batch(0, 20_000))
    found = groups(load)
    assert sum(found) == 20_000
    assert len(found) >= 7


def test_files_that_are_open_at_once_share_the_room(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source with hundreds of tables would otherwise hold a row group of each until the end of the run."""
    monkeypatch.setattr(datafile, "ROW_GROUP_BYTES", 1 << 20)
    loads = [begin(catalog, f"t{number}") for number in range(6)]
    most = 0
    for number in range(40):
        for load in loads:
            load.write(batch(number * 100, 100))
            most = max(most, sum(writer.held_bytes for writer in datafile._open))
    assert most <= 1 << 20
    for load in loads:
        assert sum(groups(load)) == 4_000
    assert not [writer for writer in datafile._open if writer.held_bytes]


def test_a_load_that_is_given_up_leaves_no_file(catalog: Catalog) -> None:
    """Also where its rows were not encoded yet: they are not, for nothing."""
    load = begin(catalog)
    load.write(batch(0, 10))
    load.discard()
    assert not [writer for writer in datafile._open if writer.held_bytes]
    assert list(Path(load._table.location().removeprefix("file://")).glob("data/*.parquet")) == []


def test_a_file_whose_footer_is_not_held_is_written_anew(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of small row groups: it was taken for a file that broke off, at every run."""
    monkeypatch.setattr(passage, "HELD_BYTES", 1_000)
    monkeypatch.setattr(passage, "HELD_BYTES_OF_A_COLUMN", 0)
    stream = {"properties": {"id": {"type": "integer"}, "note": {"type": ["string", "null"]}}}
    planned = plan(Contract("", "t"), stream, (), None)
    load = Load(
        catalog, f"raw_{uuid.uuid4().hex}", "t", stream="t", run_id=str(uuid.uuid4()), loaded_at=NOW,
        schema=planned.schema, start=None,
    )  # fmt: skip
    intake = Intake(Contract("", "t"), planned, load)
    rows = batch(0, 2_000)
    rows = rows.append_column(LOADED_AT, pa.array([NOW] * 2_000, pa.timestamp("us", "UTC")))
    content = io.BytesIO()
    pq.write_table(pa.Table.from_batches([rows]), content, row_group_size=20)
    chunks = [content.getvalue()[start : start + 500] for start in range(0, content.tell(), 500)]
    assert intake.receive([chunks], ["a pipe"]) == 2_000
    assert groups(load) == [2_000]
    assert sorted(load._table.scan().to_arrow()["id"].to_pylist()) == list(range(2_000))


def test_a_file_that_breaks_off_is_none(catalog: Catalog) -> None:
    content = io.BytesIO()
    pq.write_table(pa.Table.from_batches([batch(0, 2_000)]), content, row_group_size=20)
    with pytest.raises(BrokenStreamError, match="without its footer"):
        begin(catalog).receive([iter([content.getvalue()[:-5]])], {"id": "id", "note": "note"})
