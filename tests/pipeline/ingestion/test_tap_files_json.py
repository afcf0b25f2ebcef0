"""JSON as it is written: an object a line, or over many, or an array; every value as it stands."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from exports import Exports
from hypothesis import given, settings
from hypothesis import strategies as st
from tap_files.discover import discover
from tap_files.documents import documents
from tap_files.errors import FilesError
from tap_files.jsonlines import TwiceError, _values

ROWS = [{"id": 1, "name": 'a}"[', "more": {"x": [1.10, {"y": None}]}}, {"id": 2, "name": "b\\", "more": None}]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(json.dumps(row) for row in ROWS),
        "\n".join(json.dumps(row, indent=2) for row in ROWS),
        json.dumps(ROWS),
        json.dumps(ROWS, indent=4),
        "\ufeff\n[\n" + ",\n".join(json.dumps(row) for row in ROWS) + "\n]\n",
    ],
    ids=["lines", "over several lines", "array", "array over several lines", "array of lines, with mark"],
)
def test_objects_are_rows_however_they_are_broken_into_lines(exports: Exports, text: str) -> None:
    """One object over three lines: the look fails, and speaks of a table without columns."""
    exports.put("t/1.json", text)
    exports.replicate()
    rows = [(row["id"], row["name"], row["more"] and json.loads(row["more"])) for row in exports.rows("t")]
    assert rows == [(row["id"], row["name"], row["more"]) for row in ROWS]
    assert [row["_row"] for row in exports.rows("t")] == [1, 2]
    assert exports.quarantine() == []


def test_objects_without_a_field_are_rows(exports: Exports) -> None:
    exports.put("t/1.jsonl", "{}\n{}\n")
    exports.replicate()
    assert [row["_row"] for row in exports.rows("t")] == [1, 2]


def test_a_first_line_that_is_broken_is_set_aside_alone(exports: Exports) -> None:
    """The whole file is taken for one object that never ends."""
    exports.put("t/1.jsonl", '{"id": 0,\n' + "".join(f'{{"id": {number}}}\n' for number in range(1, 300)))
    exports.replicate()
    assert len(exports.rows("t")) == 299
    assert [row["value"] for row in exports.quarantine()] == ['{"id": 0,']


@pytest.mark.parametrize("deep", ["[" * 100_000, "[" * 100_000 + "]" * 100_000, '[{"":' * 50_000])
def test_a_value_that_is_nested_too_deeply_is_set_aside_alone(exports: Exports, deep: str) -> None:
    """RecursionError, which names no file, ends the look and each run of the whole source."""
    exports.put("t/1.jsonl", f'{{"id": 1}}\n{{"id": 2, "v": {deep}}}\n{{"id": 3}}\n')
    exports.put("u/1.json", f'{{"v": {deep}}}\n{{"v": 1}}\n')
    exports.replicate()
    assert (exports.values("t"), exports.values("u")) == ([(1,), (3,)], [(1,)])
    assert len(exports.quarantine()) == 2


def test_json_that_is_no_object_is_named_with_the_way_out(exports: Exports) -> None:
    exports.put("t/1.json", "[1, 2]")
    with pytest.raises(FilesError, match=r"file t/1\.json is one JSON array, and not of objects"):
        exports.replicate()


def test_numbers_of_json_keep_all_digits(exports: Exports) -> None:
    exports.put("t/1.jsonl", '{"n": 12345678901234567890.12, "m": {"a": 1.10, "b": 12345678901234567890}}\n')
    exports.replicate()
    assert exports.values("t") == [(Decimal("12345678901234567890.12"), '{"a": 1.10, "b": 12345678901234567890}')]


@pytest.mark.parametrize(
    "line", ['{"id": 2, "v": "b", "id": 3}', '{"v": "a, b", "id": 2, "\\u0069d": 2}', '{"id":2,"id":null}']
)
def test_an_object_with_a_key_twice_is_set_aside(exports: Exports, line: str) -> None:
    """One of its values is stored, the other is lost without a word."""
    exports.put("t/1.jsonl", f'{{"id": 1, "v": "a, b"}}\n{line}\n{{"id": 4, "v": "{{\\"id\\": 1, \\"id\\": 2}}"}}\n')
    exports.replicate()
    assert exports.values("t") == [(1, "a, b"), (4, '{"id": 1, "id": 2}')]
    assert [(row["value"], row["reason"]) for row in exports.quarantine()] == [(line, "line 2 has the key 'id' twice")]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=2), st.none() | st.text() | st.lists(st.integers()))), st.booleans())
def test_a_key_that_is_there_twice_is_never_missed(pairs: list[tuple[str, object]], is_ascii: bool) -> None:
    """A comma within a text, or one that is escaped, hides that a field was dropped."""
    fields = (f"{json.dumps(key, ensure_ascii=is_ascii)}: {json.dumps(value)}" for key, value in pairs)
    line = f"{{{', '.join(fields)}}}".encode()
    if len(dict(pairs)) == len(pairs):
        assert list(_values(line, set())) == [key for key, _ in pairs]
    else:
        with pytest.raises(TwiceError, match="twice"):
            _values(line, set())


@pytest.mark.parametrize(
    ("encoding", "said", "value"),
    [(None, "utf-8", "\\xeb"), ("cp1252", "cp1252", "\\x81"), ("shift_jis", "shift_jis", "\\xff")],
)
def test_a_line_in_another_encoding_is_set_aside_alone(
    exports: Exports, encoding: str | None, said: str, value: str
) -> None:
    """The whole file is refused for one byte, or its letters come out wrong."""
    exports.settings = {} if encoding is None else {"streams": {"t": {"encoding": encoding}}}
    good = "".join(f'{{"id": {number}, "v": "{"é" if encoding is None else "x"}"}}\n' for number in range(200)).encode()
    exports.put(
        "t/1.jsonl", good + b'{"id": 200, "v": "' + value.encode().decode("unicode_escape").encode("latin-1") + b'"}\n'
    )
    exports.replicate()
    assert len(exports.rows("t")) == 200
    (row,) = exports.quarantine()
    assert (row["reason"], row["value"]) == (
        f"line 201 is not in {said}, the stream's `encoding`",
        f'{{"id": 200, "v": "{value}"}}',
    )


def test_the_first_look_tells_which_encoding_json_was_read_in(
    exports: Exports, caplog: pytest.LogCaptureFixture
) -> None:
    """JSON is UTF-8 by its standard: what is not was read as cp1252, and nobody was told."""
    exports.put("t/1.jsonl", '{"v": "Zoë"}\n'.encode("cp1252"))
    answer = discover({"name": "x", "path": str(exports.root)}, {})
    said = "1.jsonl: is no UTF-8 and is read as cp1252; if letters come out wrong, say `encoding`"
    assert [note for note in answer["notes"] if said in note]
    assert answer["tables"][0]["settings"] == {"encoding": "cp1252"}
    exports.replicate()
    assert exports.values("t") == [("Zoë",)]
    assert "t/1.jsonl: is no UTF-8 and is read as cp1252" in caplog.text


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.dictionaries(st.text(), _JSON, max_size=4), min_size=1, max_size=4), st.sampled_from([None, 1, 4]))
def test_documents_are_found_whatever_is_in_them(rows: list[dict[str, object]], indent: int | None) -> None:
    """A brace within a text ends an object."""
    whole = json.dumps(rows, indent=indent, ensure_ascii=False)
    apart = "\n".join(json.dumps(row, indent=indent) for row in rows)
    for text in (whole, apart):
        assert [json.loads(each) for each in documents(text.encode("utf-8", "surrogatepass"))] == rows
