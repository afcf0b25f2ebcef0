"""Files of all kinds through the real tap and target: nothing lost, nothing twice, what is wrong set aside."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import reading
from exports import Exports
from pyiceberg.catalog import load_catalog
from tap_files.errors import FilesError
from target_iceberg.quarantine.replay import replay


def test_a_folder_of_csv_becomes_a_table_with_exact_types(exports: Exports) -> None:
    """Money as a float, a customer number without its leading zeros, a date that stays text."""
    exports.put(
        "orders/2026-11-01.csv",
        "id,customer,total,ordered_on,shipped_at,gift,note\n"
        '1,00042,19.90,2026-11-01,2026-11-02T08:00:00+01:00,true,"two\nlines, ""quoted"""\n'
        "2,00043,5.00,2026-11-01,,false,\n",
    )
    exports.put(
        "orders/2026-11-02.csv", "id,customer,total,ordered_on,shipped_at,gift,note\n3,7,100.125,2026-11-02,,,\n"
    )
    exports.replicate()
    assert exports.types("orders") == {
        "id": "long", "customer": "string", "total": "decimal(18, 3)", "ordered_on": "date",
        "shipped_at": "timestamptz", "gift": "boolean", "note": "string", "_file": "string", "_row": "long",
        "_modified": "timestamptz", "_loaded_at": "timestamptz",
    }  # fmt: skip
    first, second, third = exports.rows("orders")
    assert (first["customer"], first["total"], first["note"]) == ("00042", Decimal("19.900"), 'two\nlines, "quoted"')
    assert first["shipped_at"] == dt.datetime(2026, 11, 2, 7, tzinfo=dt.UTC)
    assert (second["note"], second["shipped_at"], second["gift"]) == (None, None, False)
    assert (third["_file"], third["_row"], third["ordered_on"]) == ("orders/2026-11-02.csv", 1, dt.date(2026, 11, 2))
    assert exports.quarantine() == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("people.csv", b"id;name;city\n1;Zo\xeb;Wien\n2;Jos\xe9;Gen\xe8ve\n"),  # cp1252
        ("people.csv", "id|name|city\n1|Zoë|Wien\n2|José|Genève\n".encode("utf-16")),
        ("people.csv", b"\xef\xbb\xbf" + "id,name,city\n1,Zoë,Wien\n2,José,Genève\n".encode()),
        ("people.tsv", "id\tname\tcity\n1\tZoë\tWien\n2\tJosé\tGenève\n".encode("utf-16-le")),
        ("people.csv.gz", gzip.compress("id,name,city\r\n1,Zoë,Wien\r\n2,José,Genève\r\n".encode())),
        ("people.csv.zst", pa.compress("id,name,city\n1,Zoë,Wien\n2,José,Genève\n".encode(), "zstd", asbytes=True)),
        ("people.jsonl", '{"id":1,"name":"Zoë","city":"Wien"}\n{"id":2,"name":"José","city":"Genève"}\n'.encode()),
        ("people/part-00001", '{"id":1,"name":"Zoë","city":"Wien"}\n{"id":2,"name":"José","city":"Genève"}'.encode()),
    ],
    ids=["cp1252", "utf-16", "utf-8 with mark", "utf-16-le tabs", "gzip", "zstd", "json lines", "no extension"],
)
def test_what_a_file_is_is_found_out(exports: Exports, name: str, content: bytes) -> None:
    """Names of people with signs that nobody wrote, or a file that is passed over."""
    exports.put(name, content)
    exports.replicate()
    assert exports.values("people") == [(1, "Zoë", "Wien"), (2, "José", "Genève")]
    assert exports.types("people")["id"] == "long"
    assert exports.quarantine() == []


def test_parquet_keeps_its_types(exports: Exports) -> None:
    table = pa.table(
        {
            "id": pa.array([1, 2], pa.int32()),
            "price": pa.array([Decimal("1.50"), None], pa.decimal128(9, 2)),
            "at": pa.array([1_000_000_000, None], pa.timestamp("ns", "Europe/Vienna")),
            "tags": pa.array([["a", "b"], []], pa.list_(pa.string())),
            "kind": pa.array(["x", "y"]).dictionary_encode(),
            "raw": pa.array([b"\x00\xff", None], pa.binary()),
        }
    )
    exports.root.joinpath("sales").mkdir()
    pq.write_table(table, exports.root / "sales" / "1.parquet")
    exports.replicate()
    assert exports.types("sales")["price"] == "decimal(9, 2)"
    first, second = exports.values("sales")
    assert first == (1, Decimal("1.50"), dt.datetime(1970, 1, 1, 0, 0, 1, tzinfo=dt.UTC), '["a", "b"]', "x", "AP8=")
    assert second[1:4] == (None, None, "[]")


def test_numbers_of_json_keep_all_digits_and_quoted_ones_stay_text(exports: Exports) -> None:
    """A price that went through a float; a code that lost its quotes."""
    exports.put(
        "prices.jsonl",
        '{"id": 12345678901234567890123, "price": 0.1234567890123456789, "code": "12", "more": {"a": 1.10}}\n'
        '{"id": 2, "price": 10, "code": null}\n',
    )
    exports.replicate()
    types = exports.types("prices")
    assert (types["id"], types["price"], types["code"]) == ("decimal(38, 2)", "decimal(38, 19)", "string")
    (first, second) = exports.values("prices")
    assert first == (12345678901234567890123, Decimal("0.1234567890123456789"), "12", '{"a": 1.10}')
    assert second == (2, 10, None, None)


def test_a_line_that_is_no_row_is_set_aside_with_what_it_says(exports: Exports) -> None:
    """A line with a comma too many is dropped without a word, or stops all others."""
    rows = "".join(f"{number},name {number}\n" for number in range(400))
    exports.put("people.csv", f"id,name\n{rows}400,too,many\n401\n402,last\n")
    exports.replicate()
    assert len(exports.rows("people")) == 401
    lines = {row["value"]: row for row in exports.quarantine()}
    assert set(lines) == {"400,too,many", "401"}
    assert lines["401"]["reason"] == "line 403 has fewer values than the file has columns"
    assert json.loads(lines["401"]["row"]) == {"line": "401", "_file": "people.csv"}
    assert json.loads(lines["401"]["key"]) == {}
    outcome = replay(load_catalog("lake"), exports.namespace, "people")
    assert (outcome.released, outcome.superseded, outcome.kept) == (0, 0, 2), (
        "lines are no rows, and not versions of one"
    )


def test_lines_of_another_encoding_are_set_aside_by_their_bytes(exports: Exports) -> None:
    rows = "".join(f"{number},Zoë {number}\n" for number in range(400)).encode()
    exports.put("people.csv", b"id,name\n" + rows + b"400,Zo\xeb\n")
    exports.replicate()
    assert len(exports.rows("people")) == 400
    (wrong,) = exports.quarantine()
    assert wrong["value"] == "400,Zo\\xeb"


def test_too_many_wrong_lines_fail_the_run(exports: Exports) -> None:
    """Half a table looks like a whole one."""
    rows = "".join(f"{number},x\n" if number % 2 else f"{number}\n" for number in range(300))
    exports.put("people.csv", f"id,name\n{rows}")
    with pytest.raises(RuntimeError, match="more than the contract allows"):
        exports.replicate()
    assert not exports.table("people").scan().to_arrow().num_rows


def test_json_lines_that_are_none_are_set_aside(exports: Exports) -> None:
    rows = "".join(json.dumps({"id": number}) + "\n" for number in range(300))
    exports.put("people.jsonl", f'{rows}{{"id": 3\n[1]\n')
    exports.replicate()
    assert len(exports.rows("people")) == 300
    assert {row["value"] for row in exports.quarantine()} == {'{"id": 3', "[1]"}


def test_a_folder_that_grows_is_read_once(exports: Exports) -> None:
    """New files are missed, or old ones doubled."""
    exports.put("orders/1.csv", "id,name\n1,a\n")
    exports.put("orders/2.csv", "id,name\n2,b\n")
    exports.replicate()
    before = exports.table("orders").current_snapshot()
    exports.replicate()
    assert exports.table("orders").current_snapshot() == before
    exports.put("orders/0.csv", "id,name\n3,c\n")
    exports.replicate()
    assert sorted(exports.values("orders")) == [(1, "a"), (2, "b"), (3, "c")]


def test_a_file_that_changed_comes_once_more_as_a_new_version(exports: Exports) -> None:
    """Without a key of the data, the newest version of a file has its rows; the older ones stay to be seen."""
    exports.put("orders/1.csv", "id,name\n1,a\n2,b\n")
    exports.replicate()
    exports.put("orders/1.csv", "id,name\n1,A\n")
    exports.replicate()
    rows = exports.rows("orders")
    newest = max(row["_modified"] for row in rows)
    assert [row["name"] for row in rows if row["_modified"] == newest] == ["A"]
    assert len(rows) == 3


def test_with_a_key_the_newest_row_replaces_the_older(exports: Exports) -> None:
    exports.contract("orders", "key: [id]\nwrite: merge\ncolumns:\n  id: bigint\n  name: text\n")
    exports.put("orders/1.csv", "id,name\n1,a\n2,b\n")
    exports.replicate()
    exports.put("orders/2.csv", "id,name\n2,B\n3,c\n")
    exports.replicate()
    found = reading.rows(exports.table("orders"), "id", "name", "_file")
    assert found == [(1, "a", "orders/1.csv"), (2, "B", "orders/2.csv"), (3, "c", "orders/2.csv")]


def test_files_that_are_gone_leave_their_rows(exports: Exports, caplog: pytest.LogCaptureFixture) -> None:
    exports.put("orders/1.csv", "id\n1\n")
    exports.put("orders/2.csv", "id\n2\n")
    exports.replicate()
    (exports.root / "orders" / "1.csv").unlink()
    exports.put("orders/3.csv", "id\n3\n")
    with caplog.at_level("INFO"):
        exports.replicate()
    assert "1 files that were read are no longer there" in caplog.text
    assert exports.values("orders") == [(1,), (2,), (3,)]


def test_columns_that_come_go_and_widen_follow_the_contract(exports: Exports) -> None:
    """A later file decides about the table, or its values are lost."""
    exports.contract("orders", "columns:\n  id: bigint\n  total: 'numeric(18,2)'\n  note: text\n")
    exports.put("orders/1.csv", "id,total,note\n1,1.50,a\n")
    exports.replicate()
    exports.put("orders/2.csv", "id,total,channel\n2,unknown,web\n3,none,web\n")
    exports.replicate()
    rows = {row["id"]: row for row in exports.rows("orders")}
    assert (rows[1]["total"], rows[2]["total"]) == (Decimal("1.50"), None)
    assert (rows[2]["total__text"], rows[2]["channel"], rows[2]["note"]) == ("unknown", "web", None)
    assert exports.quarantine() == []


def test_a_value_that_does_not_fit_is_set_aside_where_most_do(exports: Exports) -> None:
    exports.contract("orders", "columns:\n  id: bigint\n  total: 'numeric(18,2)'\n")
    exports.put("orders/1.csv", "id,total\n" + "".join(f"{number},{number}.5\n" for number in range(300)) + "300,n/a\n")
    exports.replicate()
    assert len(exports.rows("orders")) == 300
    (wrong,) = exports.quarantine()
    assert (wrong["column"], wrong["value"]) == ("total", "n/a")
    assert json.loads(wrong["row"])["id"] == "300"
    assert json.loads(wrong["key"]) == {"_file": "orders/1.csv", "_row": 301}
    assert replay(load_catalog("lake"), exports.namespace, "orders").kept == 1


def test_a_line_that_its_encoding_does_not_have_is_set_aside_alone(exports: Exports) -> None:
    """One byte that cp1252 leaves out stops the stream."""
    exports.settings = {"streams": {"a": {"encoding": "cp1252"}}}
    exports.put(
        "a.csv", b"id,name\n" + "".join(f"{number},Zoë\n" for number in range(200)).encode("cp1252") + b"1,\x81\n"
    )
    exports.replicate()
    assert {name for _, name in exports.values("a")} == {"Zoë"}
    (wrong,) = exports.quarantine()
    assert (wrong["value"], wrong["reason"]) == ("1,\\x81", "line 202 is not in cp1252, the stream's `encoding`")


@pytest.mark.parametrize(
    ("files", "settings", "says"),
    [
        ({}, {}, "is empty: put files there"),
        ({"report.pdf": b"%PDF"}, {}, "no file of a format that is read"),
        ({"a/1.csv": b"id,name\n1,a\n", "a/2.csv": b"7,8\n9,10\n"}, {}, r"a/2\.csv has .*the stream has \(id, name\)"),
        ({"a.csv": b"PK\x03\x04xx"}, {}, "is a zip archive"),
        ({"a.json": b"[1, 2]"}, {}, "write an object a line"),
        ({"a.parquet": b"PAR1 and no more"}, {}, "no readable Parquet"),
        ({"a.csv": b"\xff\xfei\x00\n\x00\x00\xd8a\x00"}, {}, "is not in utf-16: illegal UTF-16 surrogate at byte 6"),
        ({"a.csv": b"id\n1\n"}, {"streams": {"a": {"delimeter": ";"}}}, "streams.a.delimeter is not known; allowed"),
        ({"a.csv": b"_file,id\nx,1\n"}, {}, "column _file is the tap's own"),
    ],
)
def test_what_can_not_be_read_is_named_with_the_way_out(
    exports: Exports, files: dict[str, bytes], settings: dict[str, Any], says: str
) -> None:
    for name, content in files.items():
        exports.put(name, content)
    exports.settings = settings
    with pytest.raises(FilesError, match=says):
        exports.extract()


def test_a_path_that_is_not_there_is_named(exports: Exports) -> None:
    exports.settings = {"path": "/nowhere/at/all"}
    with pytest.raises(FilesError, match="/nowhere/at/all: there is nothing there"):
        exports.extract()


def test_settings_win_over_what_is_found_out(exports: Exports) -> None:
    """A file without a header, whose first row becomes the columns' names."""
    exports.put("2026/a.txt", "1;x;1,5\n2;y;2,25\n")
    exports.settings = {"streams": {"sales": {"files": "2026/*", "header": False, "delimiter": ";", "decimal": ","}}}
    exports.replicate()
    assert exports.values("sales") == [(1, "x", Decimal("1.50")), (2, "y", Decimal("2.25"))]
