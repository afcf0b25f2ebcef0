"""What is found out of a CSV file: right, or refused with the way out; and no guess changes a value."""

from __future__ import annotations

import resource
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from csv_reading import read_csv
from exports import Exports
from tap_files.discover import discover
from tap_files.errors import FilesError


@pytest.mark.parametrize(
    ("text", "columns", "rows"),
    [
        ("sep=;\nid;name\n1;a\n", ("id", "name"), [(1, "a")]),
        ("Sales report Q3\nMade on 2026-10-01\n\nid,name,price\n1,a,2.50\n", ("id", "name", "price"), None),
        ("Sales report Q3,,\nid,name,price\n1,a,2.50\n", ("id", "name", "price"), [(1, "a", Decimal("2.50"))]),
        ("Period,2026,,,\n,,,,\na,b,c,d,e\n1,2,3,4,5\n", ("a", "b", "c", "d", "e"), [(1, 2, 3, 4, 5)]),
        ("country,2020,2021\nAT,5.5,6\nDE,7,8\n", ("country", "2020", "2021"), None),
        ("1,a,2026-01-01\n2,b,2026-01-02\n", ("column1", "column2", "column3"), None),
        (",value\nx,1\ny,2\n", ("column1", "value"), [("x", 1), ("y", 2)]),
        (",value\nx,foo\ny,bar\n", ("column1", "value"), [("x", "foo"), ("y", "bar")]),
        ("#chrom\tstart\nchr1\t5\n", ("#chrom", "start"), [("chr1", 5)]),
        ("name\nJohn Smith\nMary Ann Jones\n", ("name",), [("John Smith",), ("Mary Ann Jones",)]),
        ("name,2026-01-01,2026-01-02\na,1,2\n", ("name", "2026-01-01", "2026-01-02"), [("a", 1, 2)]),
        ('id, name\n1, "a, b"\n2, "c" d\n', ("id", "name"), [(1, "a, b"), (2, ' "c" d')]),
        ("sep=\t\nid\tname\n1\ta\n", ("id", "name"), [(1, "a")]),
        ("at\n2026-11-01 10:00:00\n2026-11-02 10:00:00\n", ("at",), None),
    ],
)
def test_the_header_is_found(tmp_path: Path, text: str, columns: tuple[str, ...], rows: list[Any] | None) -> None:
    """A title becomes the columns' names, and the names a row."""
    found = read_csv(tmp_path, text)
    assert (found.columns, found.aside) == (columns, [])
    if rows is not None:
        assert found.rows == rows


@pytest.mark.parametrize(
    "text",
    [
        "id,at,price\n" + "1,2,3,4\n" * 9,  # R writes no name for the rows' own
        "id,at,price,side\n" + "1,2,3\n" * 9,
        "id,at,price\n" + "a,b,c,\n" * 9,
        "Report,2026,,,\nname,city,street,note,more\nx,y,z,u,v\n",  # nothing tells the title from the names
    ],
)
def test_names_that_do_not_fit_the_rows_are_an_error(tmp_path: Path, text: str) -> None:
    """All rows go to the quarantine, or under the names of others."""
    with pytest.raises(FilesError, match=r"f\.csv, line 1: .*`skip`"):
        read_csv(tmp_path, text)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "^", ":", " ", "\x01", "~"])
def test_what_separates_values_is_found(tmp_path: Path, delimiter: str) -> None:
    text = "".join(delimiter.join(row) + "\n" for row in (["id", "name", "amount"], ["1", "a", "2"], ["2", "b", "3"]))
    assert read_csv(tmp_path, text).rows == [(1, "a", 2), (2, "b", 3)]


def test_single_quotes_are_found(tmp_path: Path) -> None:
    """Values keep their quotes, and those with a delimiter are set aside."""
    found = read_csv(tmp_path, "'id','name'\n'1','Smith, John'\n'2','O''Hara'\n")
    assert (found.rows, found.aside) == ([(1, "Smith, John"), (2, "O'Hara")], [])
    assert read_csv(tmp_path, "id,name\n1,'tis\n2,it's\n").rows == [(1, "'tis"), (2, "it's")]


def test_backslashes_before_quotes_are_found(tmp_path: Path) -> None:
    found = read_csv(tmp_path, 'id,name\n1,"a \\"b\\", c"\n2,"C:\\new"\n')
    assert found.rows == [(1, 'a "b", c'), (2, "C:\\new")]


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (["123456789012345678", "1.23457E+17", "900719925474099267"], "text", None),
        (["1.5", "1e-07", "0.30000000000000004"], "double", [1.5, 1e-07, 0.30000000000000004]),
        (["3.141592653589793116e+00", "1.000000000000000000e+00"], "double", [3.141592653589793, 1.0]),
        (["1.234567890123456789e+00", "1.5"], "text", None),
        (["1e400", "1.5"], "text", None),
        (["1e-400", "1.5"], "text", None),
        (["12E5", "34E7", "123"], "text", None),
        (["00123", "1"], "text", None),
        (["1_000", "2"], "text", None),
        (["1,000", "2,500"], "text", None),
        (["0x1F", "1"], "text", None),
        (["nan", "1.5"], "text", None),
        (["+1", "2"], "text", None),
        (["1" * 39, "2"], "text", None),
        (["0." + "1" * 39, "2"], "text", None),
        (["2026-02-30", "2026-02-01"], "text", None),
        (["01/02/2026", "02/03/2026"], "text", None),
        (["2026-01-01T10:00:00.1234567", "2026-01-01T10:00:00"], "text", None),
        (["2026-01-01T10:00:00+05:00", "2026-01-01T10:00:00"], "text", None),
    ],
)
def test_no_type_changes_a_value(tmp_path: Path, values: list[str], kind: str, expected: list[Any] | None) -> None:
    """One exponent among ids rounds all of them; a code, a date of a country, an offset is read as something else."""
    found = read_csv(tmp_path, "n;v\n" + "".join(f"x;{value}\n" for value in values))
    assert found.types["v"] == kind
    assert [value for _, value in found.rows] == (values if expected is None else expected)


def test_a_comma_stands_before_the_fraction_only_where_that_is_certain(tmp_path: Path) -> None:
    """1,234 is read as a little more than one; or a text loses its comma."""
    found = read_csv(tmp_path, "n;v;w\n1;2,5;x\n2;1,234;1,5\n")
    assert [row[1:] for row in found.rows] == [(Decimal("2.500"), "x"), (Decimal("1.234"), "1,5")]
    assert [row[1] for row in read_csv(tmp_path, "n;v\n1;1,234\n2;5,678\n").rows] == ["1,234", "5,678"]
    assert read_csv(tmp_path, "n;v\n1;2,5\n2;1.234\n").types["v"] == "text"


def test_what_a_double_would_round_is_set_aside_later_too(tmp_path: Path) -> None:
    exports = Exports(tmp_path, "raw_rounded")
    exports.contract("t", "columns:\n  id: bigint\n  v: double\n")
    exports.put("t/1.csv", "id,v\n" + "".join(f"{number},{number}.5\n" for number in range(300)))
    exports.replicate()
    rows = "".join(f"{number},1.5\n" for number in range(300))
    exports.put("t/2.csv", f"id,v\n{rows}1,123456789012345678\n1.23457E+17,2.5\n")
    exports.replicate()
    assert sorted(row["value"] for row in exports.quarantine()) == ["1.23457E+17", "123456789012345678"]


def test_markers_of_no_value_are_a_setting(tmp_path: Path) -> None:
    text = 'id,v\n1,NULL\n2,\\N\n3,NA\n4,5\n5,\n6,"NA"\n'
    assert read_csv(tmp_path, text).types["v"] == "text"
    found = read_csv(tmp_path, text.replace('6,"NA"\n', ""), {"null": ["NULL", "\\N", "NA"]})
    assert [row[1] for row in found.rows] == [None, None, None, 5, None]
    found = read_csv(tmp_path, text, {"null": ["NULL", "\\N", "NA"]})
    assert found.rows[-1] == (6, "NA"), "what is enclosed is a text"


def test_settings_are_said_before_the_first_look(tmp_path: Path) -> None:
    """The look guesses wrong, and no file is there yet in which it could be corrected."""
    (tmp_path / "t.csv").write_text("x;y\nid;name\n1;a\n")
    request = {"name": "crm", "path": str(tmp_path)}
    said = discover({**request, "streams": {"t": {"skip": 1}}}, {})["tables"][0]
    assert (said["key"], said["settings"]["skip"], said["rows"]) == (["id"], 1, 1)
    with pytest.raises(FilesError, match="settings of u: no file belongs to it; there are the streams t"):
        discover({**request, "streams": {"u": {"skip": 1}}}, {})
    with pytest.raises(FilesError, match=r"streams\.t\.skipp is not known; allowed: files, delimiter"):
        discover({**request, "streams": {"t": {"skipp": 1}}}, {})
    with pytest.raises(FilesError, match="setting skip is 9, and nothing comes after"):
        discover({**request, "streams": {"t": {"skip": 9}}}, {})


def test_one_stream_that_can_not_be_read_leaves_the_others(tmp_path: Path) -> None:
    """A column of the lake's own name, or one broken file, and nothing of the folder loads."""
    (tmp_path / "good.csv").write_text("id,name\n1,a\n")
    (tmp_path / "own.csv").write_text("id,_loaded_at\n1,x\n")
    (tmp_path / "broken.csv").write_text('"a" b,c\n1,2\n')
    found = discover({"name": "crm", "path": str(tmp_path)}, {})
    assert [each["name"] for each in found["tables"]] == ["good"]
    assert found["left"] == ["broken", "own"]
    assert "column _loaded_at is the lake's own; rename it in the files" in found["notes"][1]
    exports = Exports(tmp_path / "x", "raw_left_out")
    exports.settings = {"path": str(tmp_path), "streams": {each: {"leave_out": True} for each in found["left"]}}
    exports.replicate()
    assert exports.values("good") == [(1, "a")]
    (tmp_path / "good.csv").unlink()
    with pytest.raises(FilesError, match=r"broken\.csv, line 1: .*_loaded_at"):
        discover({"name": "crm", "path": str(tmp_path)}, {})


def test_guesses_are_told_at_the_look(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("My title\n\nid,name\n1,a\n")
    (tmp_path / "u.csv").write_text("id-name\n1-a\n2-b\n")
    notes = discover({"name": "crm", "path": str(tmp_path)}, {})["notes"]
    assert notes[0] == "t: t.csv: lines 1 to 2 are taken for a title, not for rows: 'My title'"
    assert notes[1].startswith("u: u.csv: no delimiter was found, so each line is one value; if '-' separates")


def test_a_wide_file_loads_within_the_memory_that_there_is(tmp_path: Path) -> None:
    """A query of ten expressions a column: 1,093 columns took four minutes, and then all memory."""
    width = 10_000
    header = ",".join(f"q{number}" for number in range(width))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = read_csv(tmp_path, f"{header}\n" + (",".join(["17"] * width) + "\n") * 54)
    assert (len(found.rows), set(found.types.values())) == (54, {"bigint"})
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500 << 10


def test_names_may_hold_any_character(tmp_path: Path) -> None:
    """A name with a semicolon or a NUL ends the look with a line of SQL."""
    exports = Exports(tmp_path, "raw_any_name")
    exports.put("t.csv", 'id;a\x00b;"c;d";e\'f\n1;2;3;4\n')
    exports.replicate()
    assert exports.values("t") == [(1, 2, 3, 4)]
    assert list(exports.types("t"))[:4] == ["id", "a_b", "c;d", "e'f"]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("shell.json", '{ "_id" : ObjectId("507f1f77bcf86cd799439011"), "n" : NumberLong(5) }\n'),
        ("sequence.json", '\x1e{"id":1}\n\x1e{"id":2}\n'),
        ("nothing.json", "null\n"),
    ],
)
def test_a_stream_of_nothing_but_lines_that_can_not_be_read_is_left_out(tmp_path: Path, file: str, text: str) -> None:
    """It passes the look, and after the deploy the first load publishes nothing of any stream."""
    (tmp_path / "good.csv").write_text("id,name\n1,a\n")
    (tmp_path / file).write_text(text)
    found = discover({"name": "crm", "path": str(tmp_path)}, {})
    assert ([each["name"] for each in found["tables"]], found["left"]) == (["good"], [file.removesuffix(".json")])
    assert f"{file}: line 1 is no JSON object" in found["notes"][0]


@pytest.mark.parametrize(
    ("encoding", "text", "said"),
    [
        ("cp1252", "id,name\n1,Zoë\n", "is read as cp1252; if letters come out wrong, say `encoding`"),
        ("cp1251", "id,name\n1,Иванов\n", "is read as cp1252; if letters come out wrong, say `encoding`"),
        ("shift_jis", "番号,氏名\n1,山田太郎\n", "latin-1, where it has control characters"),
    ],
)
def test_an_encoding_that_is_guessed_is_told(tmp_path: Path, encoding: str, text: str, said: str) -> None:
    """Russian and Japanese are loaded as other letters, without a word: nothing in the bytes tells them apart."""
    (note,) = read_csv(tmp_path, text.encode(encoding)).notes
    assert said in note
    assert read_csv(tmp_path, text.encode(encoding), {"encoding": encoding}).notes == ()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("place,height,weight\n,m,kg\nA,1.5,2\nB,2.5,3\n", "line 2, ',m,kg', looks like units or more names"),
        ("# from the station\nt;v\n°C;m/s\n1;2\n\n3;4\n", "line 3, '°C;m/s', looks like units or more names"),
        ("Region,Q1,,Q2,\n,sales,cost,sales,cost\nN,1,2,3,4\nS,1,2,3,4\n", "line 2, ',sales,cost,sales,cost', looks"),
    ],
    ids=["units", "units below a comment", "two lines of names"],
)
def test_a_line_of_units_is_told_and_can_be_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, line: str
) -> None:
    """It is loaded as a row, and makes text of every number below it, without a word."""
    found = read_csv(tmp_path, text)
    assert [line in note and "say `skip_below: 1`" in note for note in found.notes][-1]
    assert "f.csv: " + line in caplog.text
    (*_, numbers) = found.types
    assert found.types[numbers] == "text"
    without = read_csv(tmp_path, text, {"skip_below": 1})
    assert without.columns == found.columns
    assert len(without.rows) == len(found.rows) - 1 == 2
    assert without.types[numbers] in {"bigint", "numeric(18,2)"}
    assert [note for note in without.notes if "units" in note] == []


@pytest.mark.parametrize(
    "text",
    ["id,v\nn/a,-\n1,2\n3,4\n", "id,v\n1,x\n2,3\n4,5\n", "id,v\nx,y\nz,1\n2,w\n", "id,v\nx,2026-01-01\n1,2\n3,4\n"],
    ids=["no values", "a number beside", "texts below", "a day"],
)
def test_an_ordinary_first_row_is_no_line_of_units(tmp_path: Path, text: str) -> None:
    """A warning that is wrong as often as it is right is not read."""
    assert read_csv(tmp_path, text).notes == ()


def test_lines_below_a_header_that_is_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        FilesError, match=r"streams\.t\.skip_below: 1 lines below a header that is not there; say `skip`"
    ):
        read_csv(tmp_path, "1,2\n3,4\n", {"skip_below": 1, "header": False})
