"""Rows that came = rows stored + set aside + removals, checked before a load is shown: no fault loses one quietly."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from conftest import Shop, send
from differential import streaming
from exports import Exports
from tap_postgres_arrow.settings import PROGRAM
from target_iceberg.commit.load import Load
from target_iceberg.files.datafile import DataFileWriter
from target_iceberg.files.part import Layout, Part
from target_iceberg.messages import pipe
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


def test_rows_that_a_tap_has_sent_and_that_never_came_are_missed(shop: Shop) -> None:
    """All that came is stored, and what was lost on the way is nobody's: the state says that it was read."""
    counted = [*FIRST[:-1], {"type": "STATE", "value": {"bookmarks": {"pets": {"at": 1, "rows_sent": 200}}}}]
    shop.load(counted)
    assert shop.state == {"bookmarks": {"pets": {"at": 1}}}
    again = [*MORE[:-1], {"type": "STATE", "value": {"bookmarks": {"pets": {"at": 2, "rows_sent": 151}}}}]
    with pytest.raises(IncompleteStreamError, match="stream pets: its tap sent 151 rows, and 150 came"):
        shop.load(again)
    assert shop.count("pets") == 200


def test_taps_of_ours_say_how_many_rows_they_sent(tmp_path: Path) -> None:
    """A message is lost, and the run is green."""
    exports = Exports(tmp_path, f"raw_{uuid.uuid4().hex[:12]}")
    exports.root.mkdir()
    exports.put("t/1.csv", "id\n1\n2\n")
    lines = exports.extract()
    with pytest.raises(IncompleteStreamError, match="stream t: its tap sent 2 rows, and 0 came"):
        exports.load([line for line in lines if '"BATCH"' not in line])
    exports.state = {}
    exports.replicate()
    assert exports.values("t") == [(1,), (2,)]
    exports.replicate()
    assert "rows_sent" not in exports.state["bookmarks"]["t"]


def lose_a_batch(patch: pytest.MonkeyPatch) -> None:
    read = pipe.read

    def read_less(path: Path) -> Iterator[pa.RecordBatch]:
        batches = read(path)
        next(batches)
        yield from batches

    patch.setattr(pipe, "read", read_less)


def lose_a_parquet_file(patch: pytest.MonkeyPatch) -> None:
    receive, lost = Intake.receive, []

    def receive_less(self: Intake, files: Sequence[Iterable[bytes]], sent: Sequence[str]) -> int:
        if lost:
            return receive(self, files, sent)
        lost.extend(sent)
        for chunks in files:
            assert sum(len(chunk) for chunk in chunks) > 0
        return 0

    patch.setattr(Intake, "receive", receive_less)


@pytest.mark.parametrize(("layout", "lose"), [("arrow", lose_a_batch), ("pipe", lose_a_parquet_file)])
def test_a_block_of_postgres_that_is_lost_in_a_pipe_is_missed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, layout: str, lose: Callable[[pytest.MonkeyPatch], None]
) -> None:
    """The pipe had its end mark, or a footer; that the target lost a block of it afterwards was nobody's to see."""
    batches = {**shop.settings["batch_config"], "encoding": {"format": layout}}
    config = PROGRAM.checked({**shop.settings, "batch_config": batches})

    def load() -> None:
        state = json.loads(json.dumps(shop.state))
        streaming.run(shop, lambda: send(config, state))

    load()
    shop.execute("update shop.orders set status = 'paid', updated_at = clock_timestamp() where order_id <= 7")
    with monkeypatch.context() as patch:
        lose(patch)
        with pytest.raises(IncompleteStreamError, match="stream orders: its tap sent 7 rows, and 0 came"):
            load()
    assert shop.count("orders") == 1000
    load()
    assert shop.count("orders") == 1007
    load()
    assert shop.count("orders") == 1007


@pytest.mark.parametrize("layout", ["parquet", None])
def test_a_message_of_postgres_that_is_lost_is_missed(shop: Shop, layout: str | None) -> None:
    """A mapper between tap and target drops a message, and the run is green."""
    settings: dict[str, Any] = {} if layout else {"batch_config": None}
    lines = shop.extract_lines(**settings).split("\n")
    first = next(number for number, line in enumerate(lines) if '"BATCH"' in line or '"RECORD"' in line)
    with pytest.raises(IncompleteStreamError, match=r"stream orders: its tap sent 1000 rows, and (0|999) came"):
        shop.load("\n".join(lines[:first] + lines[first + 1 :]))
    assert shop.table("orders").current_snapshot() is None
    shop.replicate(**settings)
    assert "rows_sent" not in shop.state["bookmarks"]["orders"]
    assert shop.count("orders") == 1000


def test_number_of_another_targets_state_is_forgotten(shop: Shop) -> None:
    """A target that leaves the number in the state: the next run says the old one, and is refused."""
    shop.replicate()
    shop.state["bookmarks"]["orders"]["rows_sent"] = 1000
    shop.execute("update shop.orders set updated_at = clock_timestamp() where order_id = 7")
    shop.replicate()
    assert shop.count("orders") == 1001
