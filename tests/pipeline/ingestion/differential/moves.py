"""How rows get from a source's tables into the lake: by the PostgreSQL tap, as files, by another tap."""

from __future__ import annotations

import gzip
import io
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from conftest import Shop, send
from exports import Exports
from tap_postgres_arrow.progress import Progress
from tap_postgres_arrow.settings import PROGRAM

from differential import streaming
from differential.kinds import BY_NAME
from differential.source import SourceTable, compared
from differential.tables import Column

if TYPE_CHECKING:
    from differential.ways import Way


@dataclass
class Load:
    """The tables of a case on their way: `shop` has the tap's settings, the state and the namespace."""

    shop: Shop
    tables: Sequence[SourceTable]
    way: Way
    number: int = 0
    slot: str = ""
    aside: list[dict[str, Any]] = field(default_factory=list)
    """What is in the quarantine after the last load."""

    @property
    def schema(self) -> str:
        """The source's schema."""
        return self.tables[0].schema


# By the PostgreSQL tap


def _bulk(layout: str, load: Load, **settings: Any) -> dict[str, Any]:
    batches = {"encoding": {"format": layout}, "storage": {"root": (load.shop.folder / "batch").as_uri()}}
    return PROGRAM.checked({**load.shop.settings, "schema": load.schema, "batch_config": batches, **settings})


def by(layout: str, **settings: Any) -> Callable[[Load], None]:
    """Return the move through named pipes."""

    def move(load: Load) -> None:
        config = _bulk(layout, load, **settings)
        state = json.loads(json.dumps(load.shop.state))
        streaming.run(load.shop, lambda: send(config, state))

    return move


class Died(Exception):
    """The tap, once it has had something kept."""


def by_one_that_died(layout: str, **settings: Any) -> Callable[[Load], None]:
    """Return the move through named pipes by a run that goes on from one that died, where that has kept anything."""
    kept = Progress.tell
    whole = by(layout, **settings)

    def die(progress: Progress) -> None:
        kept(progress)
        raise Died

    def move(load: Load) -> None:
        try:
            Progress.tell = die  # type: ignore[method-assign]
            with suppress(Died):
                whole(load)
        finally:
            Progress.tell = kept  # type: ignore[method-assign]
        whole(load)

    return move


def by_files(load: Load) -> None:
    """Move through Parquet files that BATCH messages announce."""
    load.shop.load(load.shop.extract_lines(schema=load.schema))


def by_records(load: Load) -> None:
    """Move as Singer records, three to a batch."""
    load.shop.load(load.shop.extract_lines(schema=load.schema, batch_config=None), batch_size_rows=3)


def by_log(layout: str | None) -> Callable[[Load], None]:
    """Return the move that follows the source's log."""

    def move(load: Load) -> None:
        settings = {"publication": load.slot, "slot": load.slot}
        if layout is None:
            lines = load.shop.extract_lines(schema=load.schema, batch_config=None, **settings)
            load.shop.load(lines, batch_size_rows=3)
        else:
            by(layout, **settings)(load)

    return move


# As files

SNIFFED: dict[str, Any] = {}
SAID = {"delimiter": ",", "quote": '"', "header": True, "encoding": "utf-8"}


def _exported(source: SourceTable, layout: str) -> bytes:
    names = ", ".join(f"{_shown(column, layout)} as {column.sql}" for column in source.columns)
    query = f"select {names} from {source.sql} where not {source.misfit()}"
    if layout == "csv":
        with source.connection.cursor().copy(f"copy ({query}) to stdout (format csv, header)") as copy:
            return b"".join(bytes(each) for each in copy)
    if layout == "jsonl":
        found = source.connection.execute(f"select row_to_json(r)::text from ({query}) r").fetchall()
        return "".join(f"{row[0]}\n" for row in found).encode()
    rows = source.connection.execute(query).fetchall()
    columns = list(zip(*rows, strict=True)) or [()] * len(source.columns)
    arrays = [pa.array(values, arrow_type(column)) for values, column in zip(columns, source.columns, strict=True)]
    buffer = io.BytesIO()
    table = pa.Table.from_arrays(arrays, names=[column.name for column in source.columns])
    pq.write_table(table, buffer, row_group_size=3)
    return buffer.getvalue()


def _shown(column: Column, layout: str) -> str:
    """Return SQL of a value as it is written into a file or record."""
    stored = f"({column.kind.stored.format(c=column.sql)})::{compared(column)}"
    match layout, column.kind.family:
        case "csv", "boolean":
            return f"{stored}::text"
        case "record", "double":  # as other languages write it: -0 is a whole number of JSON
            return f"case when {stored}::text = '-0' then '-0.0'::json else to_json({stored}) end"
    return stored


def arrow_type(column: Column) -> pa.DataType:
    """Return the Arrow type of a column in another's Parquet file."""
    kind = column.kind
    if kind.family == "decimal":
        precision, scale = kind.compared.removeprefix("numeric(").removesuffix(")").split(",")
        return pa.decimal128(int(precision), int(scale))
    return {
        "boolean": pa.bool_(), "whole": pa.int64(), "real": pa.float32(), "double": pa.float64(), "date": pa.date32(),
        "timestamp": pa.timestamp("us"), "timestamptz": pa.timestamp("us", "UTC"), "text": pa.string(),
    }[kind.family]  # fmt: skip


def as_files(layout: str, settings: Mapping[str, Any]) -> Callable[[Load], None]:
    """Return the move by a new file a load, which holds the table as it is then."""

    def move(load: Load) -> None:
        exports = Exports(
            load.shop.folder, load.shop.namespace, load.shop.state, contracts=load.shop.contracts, lake=load.shop.lake
        )
        for source in load.tables:
            name = f"{source.table.stored_name}/{load.number:03}.{layout}"
            exports.put(name, _exported(source, layout))
        if settings:
            exports.settings = {"streams": {source.table.stored_name: dict(settings) for source in load.tables}}
        # As headwater-ingest does: where the tables stand wins over what the last run remembers.
        positions = load.shop.folder / "positions.json"
        positions.write_text(json.dumps(exports.positions(*(source.table.stored_name for source in load.tables))))
        exports.settings["positions_file"] = str(positions)
        exports.replicate()
        load.shop.state = exports.state

    return move


# By another tap

FOREIGN: Mapping[str, dict[str, Any]] = {
    "integer": {"type": ["null", "integer"]},
    "bigint": {"type": ["integer", "null"]},
    "boolean": {"type": ["null", "boolean"]},
    "double": {"anyOf": [{"type": "number"}, {"type": "null"}]},
    "numeric(12,2)": {"type": ["null", "number"], "multipleOf": 0.01},
    "numeric(38,0)": {"type": ["null", "number"], "multipleOf": 1},
    "date": {"type": ["null", "string"], "format": "date"},
    "timestamptz": {"type": ["null", "string"], "format": "date-time"},
    "text": {"type": ["null", "string"]},
    "varchar(20)": {"anyOf": [{"type": "string", "maxLength": 20}, {"type": "null"}]},
    "uuid": {"type": ["null", "string"], "format": "uuid"},
    "jsonb": {"type": ["null", "object", "array"]},
}
NESTED = tuple(each for each in BY_NAME["jsonb"].values if each[0] in "{[")
FOREIGN_KINDS = (
    *(BY_NAME[name] for name in FOREIGN if name != "jsonb"),
    replace(BY_NAME["jsonb"], values=NESTED),
)


def _records(source: SourceTable) -> list[str]:
    names = ", ".join(
        f"{column.sql if column.kind.name == 'jsonb' else _shown(column, 'record')} as {column.sql}"
        for column in source.columns
    )
    query = f"select {names} from {source.sql} where not {source.misfit()}"
    return [row[0] for row in source.connection.execute(f"select row_to_json(r)::text from ({query}) r").fetchall()]


def by_another_tap(batches: str | None) -> Callable[[Load], None]:
    """Return the move by a tap of somebody else: nested values, a schema without SQL types, records or BATCH files."""

    def move(load: Load) -> None:
        lines: list[str] = []
        for source in load.tables:
            stream = source.table.name
            properties = {column.name: FOREIGN[column.kind.name] for column in source.columns}
            schema = {"type": "object", "properties": properties}
            said = {"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": source.table.keys}
            lines += [
                json.dumps(said),
                json.dumps({"type": "ACTIVATE_VERSION", "stream": stream, "version": load.number}),
            ]
            records = _records(source)
            named = json.dumps(stream)
            if batches is None:
                lines += [f'{{"type": "RECORD", "stream": {named}, "record": {record}}}' for record in records]
            elif records:
                path = load.shop.folder / f"{uuid.uuid4()}.jsonl"
                content = "".join(f"{record}\n" for record in records).encode()
                path.write_bytes(gzip.compress(content) if batches == "gzip" else content)
                encoding = {"format": "jsonl", "compression": batches}
                lines.append(
                    json.dumps({"type": "BATCH", "stream": stream, "encoding": encoding, "manifest": [path.as_uri()]})
                )
        state = {"bookmarks": {source.table.name: {"load": load.number} for source in load.tables}}
        lines.append(json.dumps({"type": "STATE", "value": state}))
        load.shop.load("\n".join(lines), batch_size_rows=3)

    return move
