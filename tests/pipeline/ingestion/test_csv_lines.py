"""Each line of a CSV file is a row's, the header's, skipped by name, or set aside: none is lost without a word."""

from __future__ import annotations

import contextlib
import csv
import io
import uuid
from pathlib import Path
from typing import Any

import pytest
from csv_reading import Read, read_csv
from exports import Exports
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from tap_files.errors import FilesError
from tap_files.records import Account, Form, read


def test_rows_that_begin_with_the_mark_of_a_comment_are_rows(tmp_path: Path) -> None:
    """A line of comment above the header, and every colour, hashtag and ticket number below it is gone."""
    found = read_csv(tmp_path, "# made by a tool\ncolor,name\n#FF0000,red\n#00FF00,green\n# end\n#0000FF,blue\n")
    assert found.columns == ("color", "name")
    assert found.rows == [("#FF0000", "red"), ("#00FF00", "green"), ("#0000FF", "blue")]
    assert [each["value"] for each in found.aside] == ["# end"]
    assert "line 1 is taken for a comment" in found.notes[0]


def test_a_value_keeps_what_follows_a_mark(tmp_path: Path) -> None:
    text = "# one\n# two\nid,address,color\n1,12 Main St #4,#ff0000\n2,7 Elm St,#00ff00\n"
    assert read_csv(tmp_path, text).rows == [(1, "12 Main St #4", "#ff0000"), (2, "7 Elm St", "#00ff00")]


@pytest.mark.parametrize("rows", [3, 400_000])
@pytest.mark.parametrize("header", ['"Screen 15" size","Price"', '"Screen,"Price"', 'Screen","Pri"ce"x'])
def test_a_header_with_an_unbalanced_quote_is_an_error(tmp_path: Path, rows: int, header: str) -> None:
    """No row, nothing set aside, and the load is green."""
    if header.startswith("Screen") and rows > 3:
        pytest.skip("the same as with three rows")
    with pytest.raises(FilesError, match=r"f\.csv, line 1: .*; correct it, or say its stream's `skip`"):
        read_csv(tmp_path, header + "\n" + "1,2\n" * rows)


@pytest.mark.parametrize(
    ("wrong", "aside"),
    [('7,"never ends', 1), ('7,"a" b', 1), ('"7,x', 1), ('7,"two\nlines" more', 2), ('7,"one\ntwo",three', 1)],
)
def test_a_wrong_quote_costs_its_own_line_and_no_other(tmp_path: Path, wrong: str, aside: int) -> None:
    """One quote that does not end takes the rest of the file with it, as one line."""
    rows = [f'{number},"name {number}"' for number in range(2_000)]
    lines = [*rows[:1_000], wrong, *rows[1_000:]]
    found = read_csv(tmp_path, "id,name\n" + "\n".join(lines) + "\n")
    assert len(found.rows) == 2_000
    assert len(found.aside) == aside
    assert found.aside[0]["reason"].startswith("line 1002 has ")


def test_of_each_file_the_lines_add_up() -> None:
    """A reader that passes over a line is found by the count, whatever made it."""
    text = 'a,b\n1,"x\ny"\n\n2,"open\n3\n4,z'
    account = Account()
    records = list(read([text], Form(","), account))
    account.rows = sum(1 for each in records if each.values is not None and len(each.values) == 2)
    account.within, account.blank = 1, 1
    account.aside = sum(1 for each in records if each.values is None or len(each.values) == 1) - account.blank
    assert account.lines == 7
    assert account.missing == 0
    account.rows -= 1
    assert account.missing == 1


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7])
def test_where_a_text_is_cut_decides_nothing(size: int) -> None:
    """A row is lost, or doubled, where two parts of a file meet."""
    text = 'a,"b\r\nc"\r\n"d""",e\r\nf,"g\r\nh,i\r\n'
    whole, cut = Account(), Account()
    expected = list(read([text], Form(","), whole))
    assert list(read([text[at : at + size] for at in range(0, len(text), size)], Form(","), cut)) == expected
    assert cut == whole


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("id,name\r\n1,a\n2,b\r\n3,c\n", [(1, "a"), (2, "b"), (3, "c")]),
        ("id,name\r1,a\r2,b\r", [(1, "a"), (2, "b")]),
        ("id,name\r\r\n1,a\r\r\n", [(1, "a")]),
        ('id,name\r\n1,"a\nb"\r\n2,"c\r\nd"\r\n', [(1, "a\nb"), (2, "c\r\nd")]),
        ('id,name\n1,"a\rb"\n2,c', [(1, "a\rb"), (2, "c")]),
    ],
    ids=["mixed", "carriage returns", "doubled ones", "within values", "a carriage return within a value"],
)
def test_lines_may_end_in_any_way(tmp_path: Path, text: str, rows: list[Any]) -> None:
    found = read_csv(tmp_path, text)
    assert (found.rows, found.aside) == (rows, [])


def test_a_load_of_nothing_but_rejects_is_not_green(tmp_path: Path) -> None:
    """A wrong setting sets all nine rows aside, and the run has succeeded."""
    exports = Exports(tmp_path, f"raw_{uuid.uuid4().hex[:12]}")
    exports.put("people.csv", b"id,name\n" + "1,Zoë\n".encode("latin-1") * 9)
    exports.settings = {"streams": {"people": {"encoding": "utf-8"}}}
    with pytest.raises(RuntimeError, match=r'9 of 9 rows can.t be .*never all.* of {"_file": "people.csv"}: line 2'):
        exports.replicate()


ALPHABET = "ab1 .,;|\t'\"\\#\r\né€\x00"
DIALECTS = st.fixed_dictionaries(
    {
        "delimiter": st.sampled_from(",;|\t^:\x01 "),
        "quote": st.sampled_from("\"'"),
        "escape": st.sampled_from(["", "\\"]),
        "end": st.sampled_from(["\n", "\r\n", "\r"]),
        "quoting": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    }
)


def written(rows: list[list[str]], dialect: dict[str, Any]) -> str:
    """Return a table as Python writes it. csv.Error where the dialect can't hold a value."""
    out = io.StringIO(newline="")
    csv.writer(
        out, delimiter=dialect["delimiter"], quotechar=dialect["quote"], escapechar=dialect["escape"] or None,
        doublequote=not dialect["escape"], lineterminator=dialect["end"], quoting=dialect["quoting"],
    ).writerows(rows)  # fmt: skip
    return out.getvalue()


@seed(20261129)
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rows=st.integers(2, 4).flatmap(
        lambda width: st.lists(st.lists(st.text(ALPHABET, max_size=6), min_size=width, max_size=width), min_size=1)
    ),
    dialect=DIALECTS,
)
def test_what_python_writes_arrives_or_is_set_aside(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], dialect: dict[str, Any]
) -> None:
    """Of any table in any dialect that is said, no value is changed and no line is lost."""
    names = [f"c{number}" for number in range(len(rows[0]))]
    text = written([names, *rows], dialect)
    said = {"delimiter": dialect["delimiter"], "quote": dialect["quote"], "header": True, "skip": 0}
    if dialect["escape"]:
        said["escape"] = dialect["escape"]
    # Python does not enclose a carriage return before a newline, and then nobody can tell it from the line's end.
    merged = dialect["end"] == "\n" and any(row[-1].endswith("\r") for row in rows)
    found = read_csv(tmp_path_factory.mktemp("csv"), text, said, as_text=True)
    arrived = [tuple(value or "" for value in row) for row in found.rows]
    if merged and dialect["quoting"] == csv.QUOTE_MINIMAL:
        arrived, rows = [row[:-1] for row in arrived], [row[:-1] for row in rows]
    assert (arrived, found.aside) == ([tuple(row) for row in rows], [])


WORDS = st.text("abcdefgh ,;|'\"\né#", max_size=12)


@seed(20261129)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(texts=st.lists(st.tuples(WORDS, WORDS), min_size=3, max_size=12), dialect=DIALECTS)
def test_a_dialect_that_is_found_out_loses_no_line(
    tmp_path_factory: pytest.TempPathFactory, texts: list[tuple[str, str]], dialect: dict[str, Any]
) -> None:
    """A wrong guess shows: in an error, in lines set aside, or in columns; never in rows that are missing."""
    rows = [[str(number), "2026-11-29", one, f"{number}.50", two] for number, (one, two) in enumerate(texts)]
    if dialect["quote"] == "'" or dialect["escape"]:  # where few values are enclosed, both may be the values' own
        dialect = {**dialect, "quoting": csv.QUOTE_ALL}
    text = written([["id", "day", "one", "price", "two"], *rows], dialect)
    with contextlib.suppress(FilesError):  # it is loud, and tests below say what it tells
        found = read_csv(tmp_path_factory.mktemp("csv"), text, as_text=True)
        check(found, rows)


def check(found: Read, rows: list[list[str]]) -> None:
    """Assert that a file's rows have arrived, or that a wrong guess shows."""
    if found.columns == ("id", "day", "one", "price", "two") and not found.aside:
        assert [tuple(value or "" for value in row) for row in found.rows] == [tuple(row) for row in rows]
    else:
        assert found.aside or found.notes or (len(found.columns) == 1 and len(found.rows) >= len(rows))
