"""Columns of files: every name loads, and what a later file lacks is told or refused, never null in silence."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from exports import Exports
from pyiceberg.catalog import load_catalog
from tap_files.discover import discover
from tap_files.errors import FilesError

CONTRACT = (
    "columns:\n  code: text\n  qty: bigint\n"
    "  _file: {type: text, required: true}\n  _row: {type: bigint, required: true}\n"
    "  _modified: {type: timestamptz, required: true}\n"
)


def findings(exports: Exports) -> list[tuple[str, str, str]]:
    if not load_catalog("lake").table_exists((exports.namespace, "findings")):
        return []
    rows = exports.table("findings").scan().to_arrow().to_pylist()
    return sorted((row["kind"], row["column"], row["message"]) for row in rows)


@pytest.mark.parametrize("contract", [CONTRACT, None], ids=["contract", "no contract"])
@pytest.mark.parametrize(
    ("later", "has"),
    [
        ("B5,5\nB6,6\n", r"\((B5, 5|column0, column1|column1, column2)\)"),
        ("code;qty\nB5;5\nB6;6\n", r"\(code;qty\)|\(code, qty\)"),
    ],
    ids=["no header", "other delimiter"],
)
def test_a_later_file_of_another_kind_is_refused(exports: Exports, contract: str | None, later: str, has: str) -> None:
    """Its first row becomes the names of new columns, and its values are in none of the table's."""
    if contract is not None:
        exports.contract("t", contract)
    exports.settings = {"streams": {"t": {"delimiter": ","}}}
    exports.put("t/1.csv", "code,qty\nA1,1\nA2,2\n")
    exports.replicate()
    exports.put("t/2.csv", later)
    with pytest.raises(FilesError, match=rf"t/2\.csv has the columns {has}, the stream has \(code, qty\)"):
        exports.replicate()
    assert exports.values("t") == [("A1", 1), ("A2", 2)]


def test_other_capitals_are_the_same_column(exports: Exports) -> None:
    """`Code` becomes a column beside `code`, which is null from then on; a key in capitals sets all rows aside."""
    exports.contract("t", f"key: [code]\nwrite: merge\n{CONTRACT}")
    exports.put("t/1.csv", "code,qty\nA1,1\n")
    exports.put("t/2.csv", "Code,QTY\nA2,2\n")
    pq.write_table(pa.table({"CODE": ["A3"], "qty": [3]}), exports.put("t/3.parquet", ""))
    exports.replicate()
    assert exports.types("t").keys() == {"code", "qty", "_file", "_row", "_modified", "_loaded_at"}
    assert sorted(exports.values("t")) == [("A1", 1), ("A2", 2), ("A3", 3)]
    assert findings(exports) == []


def test_a_column_less_is_told_with_its_file(exports: Exports) -> None:
    """A hundred files have the column, one has not: its nulls are taken for the source's."""
    exports.contract("t", CONTRACT)
    exports.put("t/1.csv", "code,qty\nA1,1\n")
    exports.replicate()
    assert findings(exports) == []
    exports.put("t/2.csv", "code,qty\nA2,2\n")
    exports.put("t/3.csv", "code,more\nA3,x\n")
    exports.replicate()
    assert sorted(exports.values("t")) == [("A1", 1, None), ("A2", 2, None), ("A3", None, "x")]
    assert findings(exports) == [
        ("missing_column", "qty", "t.qty: file t/3.csv lacks this column; its rows have null there"),
        ("new_column", "more", "t.more: the source sends a new column (text); it was added to the table"),
    ]


def test_a_contract_may_refuse_a_column_less(exports: Exports) -> None:
    exports.contract("t", f"on_drift: {{missing_column: fail}}\n{CONTRACT}")
    exports.put("t/1.csv", "code\nA1\n")
    with pytest.raises(RuntimeError, match=r"file t/1\.csv lacks this column"):
        exports.replicate()


def test_a_file_without_the_key_is_refused(exports: Exports) -> None:
    """Rows that can't be told apart, all of them set aside without a word of the file."""
    exports.contract("t", f"key: [code]\nwrite: merge\n{CONTRACT}")
    exports.put("t/1.csv", "qty,more\n1,x\n")
    with pytest.raises(FilesError, match=r"t/1\.csv lacks code, by which rows are told apart"):
        exports.replicate()


def test_the_first_look_tells_where_files_differ(exports: Exports) -> None:
    exports.put("t/1.csv", "code,qty\nA1,1\n")
    exports.put("t/2.csv", "code\nA2\n")
    notes = discover({"name": "x", "path": str(exports.root)}, {})["notes"]
    assert "t: not all files have all columns: qty (t/2.csv); there they are null" in notes


def test_two_columns_of_one_name_keep_their_values(exports: Exports) -> None:
    """A join's result: the column is not found by its name, and null in all rows."""
    table = pa.table([pa.array([1, 2]), pa.array(["a", "b"]), pa.array([7, 8])], names=["id", "name", "id"])
    pq.write_table(table, exports.put("t/1.parquet", ""))
    exports.replicate()
    assert exports.values("t") == [(1, "a", 7), (2, "b", 8)]
    assert list(exports.types("t"))[:3] == ["id", "name", "id_2"]


def test_keys_that_differ_in_capitals_keep_their_values(exports: Exports) -> None:
    """The engine takes both for one: the second column has the first one's values."""
    exports.put("t/1.jsonl", '{"userId": 1}\n{"userID": 2, "userId": 3}\n{"userID": 4}\n')
    exports.replicate()
    exports.put("t/2.jsonl", '{"userID": 5}\n{"Userid": 6}\n')
    exports.replicate()
    assert list(exports.types("t"))[:2] == ["userId", "userID_2"]
    rows = [(row["userId"], row["userID_2"], row.get("Userid_2")) for row in exports.rows("t")]
    assert rows == [(1, None, None), (3, 2, None), (None, 4, None), (None, 5, None), (6, None, None)]
    assert findings(exports) == []


def test_a_contract_of_the_first_look_agrees_with_the_table(exports: Exports) -> None:
    """`make source` writes a column that no load ever sends."""
    exports.put("t/1.jsonl", '{"ID": 1, "id": 2, "Id": 3}\n')
    (found,) = discover({"name": "x", "path": str(exports.root)}, {})["tables"]
    exports.contract("t", found["contract"].partition("\n")[2])
    exports.replicate()
    assert exports.values("t") == [(1, 2, 3)]
    assert findings(exports) == []


@pytest.mark.parametrize("layout", ["jsonl", "parquet"])
def test_any_name_of_a_column_loads(exports: Exports, layout: str) -> None:
    """An empty name stops the look; one with NUL, or one that only Avro refuses, the load."""
    names = [
        "",
        " ",
        "a\x00b",
        "a.b",
        "a b",
        "select",
        'say "x"',
        "Größe",
        "列",
        "100%",
        "a\nb",
        "🙂",
        "__x",
        "x" * 300,
    ]
    values = list(range(len(names)))
    if layout == "jsonl":
        exports.put("t/1.jsonl", json.dumps(dict(zip(names, values, strict=True))) + "\n")
    else:
        table = pa.Table.from_arrays([pa.array([each]) for each in values], names=names)
        pq.write_table(table, exports.put("t/1.parquet", ""))
    assert discover({"name": "x", "path": str(exports.root)}, {})["tables"]
    exports.replicate()
    (row,) = exports.rows("t")
    assert list(row.values())[: len(values)] == values
    first = {"jsonl": ["unnamed", "unnamed_2"], "parquet": ["column1", "column2"]}[layout]
    assert list(row)[:3] == [*first, "a_b"]


def test_folders_of_partitions_are_columns_of_one_table(exports: Exports) -> None:
    """A table a year, and neither the year nor the month in it."""
    for root in ("", "sales/"):
        for year, month in (("2025", "12"), ("2026", "1"), ("2026", "__HIVE_DEFAULT_PARTITION__")):
            path = f"{root}year={year}/month={month}/day=2026-01-0{month[0]}/city=S%C3%A3o%2FX/part-0.parquet"
            pq.write_table(pa.table({"n": [1]}), exports.put(path.replace("day=2026-01-0_/", ""), ""))
    exports.replicate()
    types = exports.types("sales")
    assert {name: types[name] for name in ("n", "year", "month", "day", "city")} == {
        "n": "long", "year": "long", "month": "long", "day": "date", "city": "string",
    }  # fmt: skip
    for table in ("sales", "files"):
        rows = sorted((row["year"], row["month"] or 0, str(row["day"]), row["city"]) for row in exports.rows(table))
        assert rows == [
            (2025, 12, "2026-01-01", "São/X"), (2026, 0, "None", "São/X"), (2026, 1, "2026-01-01", "São/X"),
        ]  # fmt: skip


@pytest.mark.parametrize("layout", ["csv", "jsonl", "parquet"])
def test_a_column_that_its_path_contradicts_is_the_files_and_is_told(exports: Exports, layout: str) -> None:
    """One of two answers is stored, and nobody knows that there was another."""
    for folder, day in (("Year=2025", 2024), ("Year=2023", 2023), ("Year=none", 2022)):
        name = f"sales/{folder}/1.{layout}"
        if layout == "csv":
            exports.put(name, f"n,year\n1,{day}\n2,{folder[-4:] if folder != 'Year=none' else day}\n")
        elif layout == "jsonl":
            exports.put(name, f'{{"n": 1, "year": {day}}}\n')
        else:
            pq.write_table(pa.table({"n": [1], "year": [day]}), exports.put(name, ""))
    exports.replicate()
    assert {row["year"] for row in exports.rows("sales") if row["n"] == 1} == {2022, 2023, 2024}
    told = [message for kind, _, message in findings(exports) if kind == "noted"]
    assert [message.partition(":")[0] for message in told] == ["sales", "sales"]
    rows = {"csv": (1, 2), "jsonl": (1, 1), "parquet": (1, 1)}[layout]
    assert any(f"its path says year=2025, and in {rows[0]} of {rows[1]} rows" in message for message in told)
    assert any("its path says year=none" in message for message in told)
    exports.replicate()
    assert findings(exports) == []


@pytest.mark.parametrize("name", ["_loaded_at", "_LOADED_AT"])
def test_a_column_of_the_lakes_own_stops_its_stream_alone(exports: Exports, name: str) -> None:
    """A later file has it: nothing of the whole source is loaded any more, or Trino reads none of two columns."""
    exports.put("good/1.csv", "id\n1\n")
    exports.put("own/1.csv", "id\n1\n")
    exports.replicate()
    exports.put("good/2.csv", "id\n2\n")
    exports.put("own/2.csv", f"id,{name}\n2,x\n")
    with pytest.raises(
        FilesError, match=f"1 of 2 streams were not loaded: stream own: file own/2.csv: column {name} is"
    ):
        exports.replicate()
    assert exports.values("own") == [(1,)]


def test_a_source_of_files_has_a_deletion_mark_of_its_own_only_where_nothing_is_merged(exports: Exports) -> None:
    """Exported from another lake, each row that was deleted there removes one here, and is stored nowhere."""
    exports.put("t/1.csv", "id,_sdc_deleted_at\n1,2026-01-01\n2,\n")
    exports.replicate()
    assert [row["id"] for row in exports.rows("t")] == [1, 2]
    exports.put("u/1.csv", "id,_sdc_deleted_at\n1,2026-01-01\n2,\n")
    exports.contract("u", "key: [id]\nwrite: merge\ndeletes: hard\n")
    with pytest.raises(
        RuntimeError, match=r"stream u: the source has a column _sdc_deleted_at of its own, and a merge"
    ):
        exports.replicate()


def test_types_wait_for_the_first_row(exports: Exports) -> None:
    """A file with a header alone makes text of every column, for ever."""
    exports.put("t/1.csv", "id,day\n")
    (found,) = discover({"name": "x", "path": str(exports.root)}, {})["tables"]
    assert "\n  day:" not in found["contract"]
    exports.contract("t", found["contract"].partition("\n")[2])
    exports.replicate()
    assert exports.rows("t") == []
    exports.put("t/2.csv", "id,day\n1,2026-01-02\n")
    exports.replicate()
    exports.put("t/3.csv", "id,day\n2,2026-01-03\n")
    exports.replicate()
    assert {name: exports.types("t")[name] for name in ("id", "day")} == {"id": "long", "day": "date"}
    assert [number for number, _ in exports.values("t")] == [1, 2]


def test_files_whose_name_is_another_streams_are_left_out_and_told(exports: Exports) -> None:
    """One new folder, and nothing of the source is loaded."""
    exports.put("größe/1.csv", "id\n1\n")
    exports.replicate()
    exports.put("größe/2.csv", "id\n2\n")
    exports.put("grosse/1.csv", "id\n3\n")
    exports.put("other/1.csv", "id\n4\n")
    exports.replicate()
    assert (exports.values("grosse"), exports.values("other")) == ([(1,), (2,)], [(4,)])
    ((kind, _, message),) = findings(exports)
    assert (kind, "files of 'grosse', such as grosse/1.csv, are left out" in message) == ("noted", True)


def test_a_partition_of_another_type_is_named(exports: Exports) -> None:
    """A folder `year=unknown`: all its rows are in another column, or null."""
    exports.contract("sales", "columns:\n  n: bigint\n  year: bigint\n")
    for year in ("2025", "2026", "unknown"):
        exports.put(f"sales/year={year}/1.csv", "n\n1\n")
    with pytest.raises(
        FilesError, match=r"file sales/year=unknown/1\.csv: its path says year=unknown, which is no big"
    ):
        exports.replicate()
