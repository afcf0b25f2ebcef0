"""The rules of tap-files: which files make a stream, which are new, what type a text is, what a key is called."""

from __future__ import annotations

import json
import re

import pytest
from headwater_contracts.types import parse_type
from tap_files.content import encoding
from tap_files.dialect import distinct
from tap_files.discover import candidates
from tap_files.errors import FilesError
from tap_files.grouping import grouped, is_known, stream_name
from tap_files.inference import Evidence
from tap_files.position import Position, since
from tap_files.store import File
from tap_files.types import BIGINT, DOUBLE, PATTERNS, TEXT, joined, numeric


@pytest.mark.parametrize(
    ("name", "stream"),
    [
        ("customers.csv", "customers"),
        ("orders-2026-11-01.csv.gz", "orders"),
        ("orders_2026_11.csv", "orders"),
        ("orders20261101.csv", "orders"),
        ("orders-2026-11-01T10-30-00.jsonl", "orders"),
        ("orders_12.parquet", "orders"),
        ("orders.part-0003.parquet", "orders"),
        ("Order Items 3.csv", "order_items"),
        ("2026-11-01.csv", "files"),
        ("sales_q3.csv", "sales_q3"),
        ("ISO9001.csv", "iso9001"),
        ("orders/2026/11/01.csv", "orders"),
        ("Order-Items/x.csv", "order_items"),
    ],
)
def test_names_say_the_stream(name: str, stream: str) -> None:
    """A table a day, or two things in one table."""
    assert stream_name(name) == stream


def test_what_is_no_data_makes_no_stream() -> None:
    names = ["a.csv", ".hidden.csv", "_SUCCESS", "t/_delta_log/1.json", "t/part-0", "report.pdf", "x.xlsx"]
    streams, left, _ = grouped([File(name, 1, 1) for name in names], {"own": "*.xlsx"})
    assert {stream: [each.name for each in files] for stream, files in streams.items()} == {
        "a": ["a.csv"], "own": ["x.xlsx"], "t": ["t/part-0"],
    }  # fmt: skip
    assert [each.name for each in left] == ["report.pdf"]
    assert not is_known("x.docx")


def files(*numbers: int, start: int = 0) -> list[File]:
    return [File(f"f{number}.csv", 10, start + number) for number in numbers]


def test_the_bookmark_knows_each_file() -> None:
    """A file with an old date is missed, a file that is gone and comes back is read twice."""
    many = files(*range(10_000))
    position = Position().after(many)
    state = json.loads(json.dumps(position.to_state()))
    assert len(json.dumps(state)) < 17 * len(many), "it has to stay small: the state goes through each message"
    assert Position.from_state("s", state, many) == position
    assert since(position, many).files == ()
    assert since(position, [*many, *files(10_001)]).files == tuple(files(10_001))
    changed = [*many[:5], *many[6:], File("f5.csv", 11, 20_000)]
    assert [each.name for each in since(position, changed).files] == ["f5.csv"]
    late = File("late.csv", 1, 500)
    for there in (many, many[1:], many[300:], many[:1]):
        assert since(position, [*there, late]).files == (late,)
        assert since(position, [*there, late]).late
    gone = since(position, many[1:])
    assert (gone.files, gone.gone, gone.late) == ((), 1, False)
    assert since(position.after(many[1:]), many).files == ()
    same_moment = File("between.csv", 1, 9_999)
    assert since(position, [*many, same_moment]).files == (same_moment,)


def test_where_keys_replace_rows_files_after_a_late_one_come_once_more() -> None:
    """The late file's old rows replace newer ones of the same key."""
    position = Position().after(files(1, 2, 4, 5))
    news = since(position, files(1, 2, 3, 4, 5, 6), in_order=True)
    assert news.files == tuple(files(3, 4, 5, 6))
    assert since(position, files(1, 2, 4, 5, 6), in_order=True).files == tuple(files(6))


def test_a_bookmark_of_an_older_version_goes_on() -> None:
    """An upgrade reads every file twice, or none any more."""
    many = files(*range(150))
    state = {
        "read": [[each.name, each.size, each.modified_us] for each in many[-100:]],
        "before": 50,
        "digest": "865639d63f710da4",
    }
    for there in (many, many[3:]):
        position = Position.from_state("s", state, there)
        assert since(position, [*there, *files(200)]).files == tuple(files(200))
    with pytest.raises(FilesError, match="--full-refresh"):
        Position.from_state("s", state, [*many, File("late.csv", 1, 5)])


def test_a_bookmark_whose_files_are_not_known_is_refused() -> None:
    """A table that was put back to an older load, of which all files would be loaded again."""
    with pytest.raises(FilesError, match="stream s: its table was put back"):
        Position.from_state("s", {"seen": {"count": 1, "digest": "x"}}, files(1))


@pytest.mark.parametrize(
    ("kind", "yes", "no"),
    [
        ("bigint", ["0", "-1", "9007199254740993"], ["007", "+1", "1.0", "1,000", "", "0x1"]),
        ("numeric", ["1", "1.50", "-0.5"], ["01.5", ".5", "1.", "1e3", "NaN"]),
        ("double", ["1e3", "-1.5E-7"], ["inf", "1e", "0x1p3"]),
        ("date", ["2026-11-01"], ["01.11.2026", "11/01/2026", "2026-1-1", "20261101"]),
        ("timestamp", ["2026-11-01 10:00", "2026-11-01T10:00:00.123456"], ["2026-11-01T10:00:00.1234567"]),
        ("timestamptz", ["2026-11-01T10:00:00Z", "2026-11-01 10:00:00+01"], ["2026-11-01 10:00:00 CET"]),
        ("boolean", ["true", "FALSE"], ["yes", "1", "t"]),
    ],
)
def test_a_text_is_a_value_only_if_nothing_would_be_lost(kind: str, yes: list[str], no: list[str]) -> None:
    pattern = re.compile(PATTERNS[kind])
    assert [each for each in yes if not pattern.fullmatch(each)] == []
    assert [each for each in no if pattern.fullmatch(each)] == []


def test_wider_types_hold_both() -> None:
    assert joined(BIGINT, numeric(3, 2)) == parse_type("", "numeric(38,2)")
    assert joined(numeric(3, 2), parse_type("", "numeric(30,4)")) == parse_type("", "numeric(38,4)")
    assert joined(BIGINT, DOUBLE) == DOUBLE
    assert joined(BIGINT, parse_type("", "date")) == TEXT
    assert numeric(36, 0) == parse_type("", "numeric(38,2)")
    assert numeric(38, 0) == parse_type("", "numeric(38,0)")


def test_a_pinned_type_stays_until_most_values_are_of_another() -> None:
    """One odd value among ten thousand changes the table; or a column of words loses all of them."""

    def texts(values: int, fits: int) -> Evidence:
        return Evidence(values=values, fits=fits)

    assert texts(10_000, 9_999).chosen(BIGINT) == BIGINT
    assert texts(10, 2).chosen(BIGINT) == TEXT
    decimals = Evidence(values=10, fits=9, digits=2, scale=1)
    decimals.counts |= {"numeric": 10, "double": 10}
    assert decimals.chosen(BIGINT) == parse_type("", "numeric(38,2)")
    assert Evidence().chosen(None) == TEXT
    assert Evidence().chosen(DOUBLE) == DOUBLE


@pytest.mark.parametrize(
    ("begins", "name"),
    [
        ("a;é\n".encode(), "utf-8"),
        ("aé".encode()[:2], "utf-8"),  # cut off within a character
        ("a;é\n".encode("cp1252"), "cp1252"),
        ("a;é\x81\n".encode("latin-1"), "latin-1"),
        ("a;b\n".encode("utf-16"), "utf-16"),
        ("a;b\n".encode("utf-16-be"), "utf-16-be"),
        (("é" * 50).encode() + b"\xe9", "utf-8"),  # one wrong byte among many right ones
    ],
)
def test_the_encoding_is_told_by_the_bytes(begins: bytes, name: str) -> None:
    assert encoding(begins) == name


def test_columns_have_names_of_their_own() -> None:
    assert distinct(["id", "", "id", " name ", "id_2"]) == ("id", "column2", "id_2", "name", "id_2_2")


def test_a_key_is_looked_for_by_its_name() -> None:
    """A column of distinct amounts becomes the key, and a second sale of the same amount replaces the first."""
    columns = {"amount": BIGINT, "Order_ID": TEXT, "id": BIGINT, "rate": DOUBLE}
    assert candidates("orders", columns) == ["id", "Order_ID"]
    assert candidates("categories", {"category_id": BIGINT}) == ["category_id"]
    assert candidates("sales", {"amount": BIGINT}) == []
