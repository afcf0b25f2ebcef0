"""Values of another type in the columns by which rows of files are told apart."""

from __future__ import annotations

import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from exports import Exports
from tap_files.errors import FilesError

CONTRACT = (
    "key: [id]\nwrite: merge\ncolumns:\n  id: bigint\n  v: text\n"
    "  _file: {type: text, required: true}\n  _row: {type: bigint, required: true}\n"
    "  _modified: {type: timestamptz, required: true}\n"
)


@pytest.fixture
def exports(tmp_path: Path) -> Exports:
    made = Exports(tmp_path, f"raw_{uuid.uuid4().hex[:12]}")
    made.root.mkdir()
    made.contract("t", CONTRACT)
    made.put("t/1.csv", "id,v\n1,a\n")
    made.replicate()
    return made


@pytest.mark.parametrize(
    ("name", "content", "aside"),
    [
        ("t/2.csv", "id,v\n2,b\nabc,c\n", "abc"),
        ("t/2.csv", "id,v\n2,b\n3,c\n4.5,d\n", "4.5"),
        ("t/2.csv", "id,v\n2,b\n99999999999999999999,c\n", "99999999999999999999"),
        ("t/2.jsonl", '{"id": 2, "v": "b"}\n{"id": "x2", "v": "c"}\n', "x2"),
        ("t/2.parquet", pa.table({"id": ["2", "007"], "v": ["b", "c"]}), "007"),
        ("t/2.parquet", pa.table({"id": [2.0, 2.5], "v": ["b", "c"]}), "2.5"),
    ],
    ids=["text", "fraction", "too large", "json", "parquet of texts", "parquet of doubles"],
)
def test_a_key_of_another_type_is_set_aside_with_its_place(
    exports: Exports, name: str, content: str | pa.Table, aside: str
) -> None:
    """One value stops the stream, and neither file nor value is said; or 007 becomes 7 and replaces its row."""
    if isinstance(content, str):
        exports.put(name, content)
    else:
        pq.write_table(content, exports.put(name, ""))
    exports.replicate()
    assert {"a", "b"} <= set(exports.merged("t", "v"))
    assert [(row["column"], row["value"]) for row in exports.quarantine()] == [("id", aside)]
    (finding,) = exports.table("findings").scan().to_arrow().to_pylist()
    assert f"in file {name}, row " in finding["message"]


def test_a_file_whose_keys_are_no_numbers_is_named(exports: Exports) -> None:
    """Arrow takes days for numbers of days: they replace the rows that have these ids."""
    days = pa.array([1, 2], pa.int32()).cast(pa.date32())
    pq.write_table(pa.table({"id": days, "v": ["b", "c"]}), exports.put("t/2.parquet", ""))
    with pytest.raises(FilesError, match=r"file t/2\.parquet: id, by which rows .* is date there, and bigint in"):
        exports.replicate()
    assert exports.merged("t", "v") == ["a"]
