"""Names of streams as names of tables, contracts, assets and dbt sources: one rule that all of them take."""

from __future__ import annotations

import io
import json
import re
import uuid
from pathlib import Path
from typing import Any

import pytest
from exports import Exports
from headwater_contracts import ContractError, read_sources, table_name
from headwater_contracts.names import MOST_LETTERS
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyiceberg.catalog import load_catalog
from tap_files.grouping import grouped, stream_name
from tap_files.store import File
from target_iceberg.run import IncompleteStreamError
from target_iceberg.settings import Settings
from target_iceberg.target import Target

DAGSTER = re.compile(r"[A-Za-z0-9_]+")
"""What Dagster takes as a name: dagster._core.definitions.utils.VALID_NAME_REGEX."""


@settings(max_examples=1000, deadline=None)
@given(st.text(max_size=400))
@example("Größe")
@example("\udcff")
@example("ǽ")
def test_any_name_becomes_one_that_every_part_takes(name: str) -> None:
    """Dagster's definitions do not import, and no source runs any more; a file's name that is too long."""
    found = table_name(name)
    assert DAGSTER.fullmatch(found)
    assert found == found.lower()
    assert len(found) <= MOST_LETTERS
    assert table_name(found) == found
    assert DAGSTER.fullmatch(stream_name(f"{name.replace('/', ' ')}/1.csv"))


@given(st.text(st.characters(codec="ascii"), min_size=1, max_size=MOST_LETTERS))
def test_names_of_ascii_are_what_they_were(name: str) -> None:
    """An upgrade looks for another table than the one that holds the rows."""
    assert table_name(name) == re.sub(r"[^\w]", "_", name).lower()


@pytest.mark.parametrize(
    ("name", "table"),
    [("Größe", "grosse"), ("Gro\u0308ße", "grosse"), ("列", "u5217"), ("Ærø-2", "aero_2"), ("a—b", "a_b"), ("", "_")],
)
def test_letters_of_other_alphabets(name: str, table: str) -> None:
    assert table_name(name) == table


def test_long_names_stay_apart() -> None:
    """Two tables of which only the last letters differ become one."""
    assert table_name("x" * 300 + "a") != table_name("x" * 300 + "b")


def test_two_names_that_become_one_are_named(tmp_path: Path) -> None:
    (tmp_path / "crm").mkdir()
    (tmp_path / "crm" / "_source.yml").write_text("title: CRM\nkind: files\ntap: tap-crm\n")
    (tmp_path / "crm" / "grosse.yml").write_text("stream: Größe\n")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "_source.yml").write_text("title: O\nkind: files\ntap: tap-o\n")
    (tmp_path / "other" / "grosse.yml").write_text("stream: grosse\n")
    with pytest.raises(ContractError, match=r"other/grosse\.yml and crm/grosse\.yml: both would be table grosse"):
        read_sources(tmp_path)
    files = [File(name, 1, 1) for name in ("Größe/1.csv", "grosse/1.csv", "grosse/2.csv", "a/1.csv")]
    streams, _, lost = grouped(files, {})
    assert {name: [each.name for each in found] for name, found in streams.items()} == {
        "a": ["a/1.csv"],
        "grosse": ["Größe/1.csv"],
    }
    assert lost == {
        "grosse": ["files of 'grosse', such as grosse/1.csv, are left out: they would be the stream of 'größe'"]
    }
    assert grouped([File(name, 1, 1) for name in ("Order Items/1.csv", "order-items/2.csv")], {})[0].keys() == {
        "order_items"
    }


def test_a_file_of_another_alphabet_is_loaded(tmp_path: Path) -> None:
    exports = Exports(tmp_path, f"raw_{uuid.uuid4().hex[:12]}")
    exports.root.mkdir()
    exports.put("Umsätze-2026-11.csv", "Größe,列\n1,a\n")
    exports.put("日本/1.csv", "id\n1\n")
    exports.replicate()
    assert {name for _, name in load_catalog("lake").list_tables(exports.namespace)} == {"umsatze", "u65e5u672c"}
    assert exports.values("umsatze") == [(1, "a")]


def singer(*streams: str) -> str:
    lines: list[dict[str, Any]] = []
    for stream in streams:
        schema = {"type": "object", "properties": {"id": {"type": ["integer", "null"]}}}
        lines.append({"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": []})
        lines.append({"type": "RECORD", "stream": stream, "record": {"id": 1}})
    state = {"bookmarks": {stream: {"x": 1} for stream in streams}}
    return "".join(json.dumps(line) + "\n" for line in [*lines, {"type": "STATE", "value": state}])


def test_two_streams_of_one_table_are_refused() -> None:
    """The rows of the first are replaced by those of the second, and the run is green."""
    namespace = f"raw_{uuid.uuid4().hex[:12]}"

    def load(*streams: str) -> None:
        Target(Settings.of({"namespace": namespace})).listen(io.StringIO(singer(*streams)))

    with pytest.raises(IncompleteStreamError, match="streams 'a-b' and 'a_b' would both be table a_b"):
        load("a-b", "a_b")
    load("a-b")
    with pytest.raises(IncompleteStreamError, match="holds stream 'a-b', and 'a_b' would be the same table"):
        load("a_b")
    rows = load_catalog("lake").load_table((namespace, "a_b")).scan().to_arrow()
    assert rows.column("id").to_pylist() == [1]


def test_a_stream_that_would_take_the_table_of_a_contract_is_refused_and_named(tmp_path: Path) -> None:
    """A table `A-B` comes beside `a_b`: KeyError 'a_b', and nothing of the source loads any more."""
    (tmp_path / "crm").mkdir()
    (tmp_path / "crm" / "_source.yml").write_text("title: CRM\nkind: postgres\ntap: tap-crm\n")
    (tmp_path / "crm" / "a_b.yml").write_text("stream: a_b\n")
    namespace = f"raw_{uuid.uuid4().hex[:12]}"
    settings = Settings.of({"namespace": namespace, "contracts": str(tmp_path), "publish": "each"})
    with pytest.raises(IncompleteStreamError, match=r"stream 'A-B' would be table a_b, which .*a_b\.yml has for 'a_b'"):
        Target(settings).listen(io.StringIO(singer("A-B", "a_b")))
    assert load_catalog("lake").load_table((namespace, "a_b")).scan().to_arrow().num_rows == 1
