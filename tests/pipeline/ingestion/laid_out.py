"""A stream with a column of each kind, whose contract says how its table is laid out."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from conftest import Shop, contracts
from pyiceberg.catalog import load_catalog
from pyiceberg.manifest import DataFile, DataFileContent
from pyiceberg.table import Table

UTC = dt.UTC
EPOCH = dt.datetime(1970, 1, 1)
INTEGER, TEXT = {"type": ["integer", "null"]}, {"type": ["string", "null"]}
TYPES: dict[str, dict[str, Any]] = {
    "id": {"type": "integer"},
    "small": {**INTEGER, "x-sql-datatype": "integer"},
    "amount": {"type": ["number", "null"], "x-sql-datatype": "numeric",
               "x-sql-datatype-properties": {"precision": 12, "scale": 2}},
    "ratio": {"type": ["number", "null"]},
    "status": TEXT,
    "paid": {"type": ["boolean", "null"]},
    "day": {**TEXT, "format": "date"},
    "at": {**TEXT, "x-sql-datatype": "timestamp"},
    "seen": {**TEXT, "format": "date-time"},
}  # fmt: skip
ARROW = pa.schema([
    ("id", pa.int64()), ("small", pa.int32()), ("amount", pa.decimal128(12, 2)), ("ratio", pa.float64()),
    ("status", pa.string()), ("paid", pa.bool_()), ("day", pa.date32()), ("at", pa.timestamp("us")),
    ("seen", pa.timestamp("us", "UTC")),
])  # fmt: skip


def sale(number: int, chosen: random.Random) -> dict[str, Any]:
    """Return a row; times are around 1970 and in the first and last years, anything is null now and then."""

    def maybe(value: Any) -> Any:
        return None if chosen.random() < 0.1 else value

    far = chosen.choice([0, 0, -1, 1, 31, -719_000, 2_932_000])
    time = EPOCH + dt.timedelta(days=far, hours=chosen.randrange(-60, 60), microseconds=chosen.randrange(10**9))
    return {
        "id": number,
        "small": maybe(chosen.randrange(-50, 50)),
        "amount": maybe(Decimal(chosen.randrange(-1000, 1000)) / 100),
        "ratio": maybe(chosen.choice([-1.5, 0.0, 2.25, float("inf"), float("-inf"), float("nan")])),
        "status": maybe(chosen.choice(["", "new", "newer", "é\U0001f600x", "paid"])),
        "paid": maybe(chosen.random() < 0.5),
        "day": maybe(time.date()),
        "at": maybe(time),
        "seen": maybe(time.replace(tzinfo=UTC)),
    }


class Sales:
    """A stream in Parquet files; its contract says how its table is laid out."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.loads = shop, 0

    def load(
        self, contract: str, rows: Sequence[dict[str, Any]], *, complete: bool = False,
        properties: dict[str, Any] = TYPES, schema: pa.Schema = ARROW,
    ) -> None:  # fmt: skip
        self.loads += 1
        messages: list[dict[str, Any]] = [
            {"type": "SCHEMA", "stream": "sales", "schema": {"properties": properties}, "key_properties": ["id"]}
        ]
        if complete:
            messages.append({"type": "ACTIVATE_VERSION", "stream": "sales", "version": self.loads})
        if rows:
            file = self.shop.folder / f"sales-{self.loads}.parquet"
            file.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.Table.from_pylist(list(rows), schema), file)
            batch = {"encoding": {"format": "parquet"}, "manifest": [file.as_uri()]}
            messages.append({"type": "BATCH", "stream": "sales", **batch})
        messages.append({"type": "STATE", "value": {"bookmarks": {"sales": {"position": self.loads}}}})
        self.shop.load(messages, contracts=contracts(self.shop.folder / "contracts", sales=f"key: [id]\n{contract}"))

    @property
    def table(self) -> Table:
        return self.shop.table("sales")

    @property
    def exists(self) -> bool:
        return load_catalog(self.shop.lake).table_exists((self.shop.namespace, "sales"))

    def layout(self) -> tuple[list[str], list[str]]:
        """Return partition fields and sort fields, by column."""
        table = self.table
        name = table.schema().find_column_name
        return (
            [f"{each.name}: {each.transform} of {name(each.source_id)}" for each in table.spec().fields],
            [f"{name(each.source_id)} {each.direction} {each.null_order}" for each in table.sort_order().fields],
        )


def data_files(table: Table) -> list[DataFile]:
    """Return the data files that readers see; their deletes don't matter."""
    snapshot = table.current_snapshot()
    manifests = [] if snapshot is None else snapshot.manifests(table.io)
    entries = [entry for each in manifests for entry in each.fetch_manifest_entry(table.io)]
    return [entry.data_file for entry in entries if entry.data_file.content == DataFileContent.DATA]


def rows_of(table: Table, file: DataFile) -> pa.Table:
    """Return the rows of a file in their order."""
    with table.io.new_input(file.file_path).open() as stream:
        return pq.read_table(stream)


def some_sales(count: int, seed: int = 1) -> list[dict[str, Any]]:
    """Return rows with ids from 0 on."""
    chosen = random.Random(seed)
    return [sale(number, chosen) for number in range(count)]
