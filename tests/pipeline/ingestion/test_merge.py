"""Merging: one row a key, the newest; deletions as the stream says. Read back by DuckDB, which wrote none of it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import reading
from conftest import Shop, contracts
from pyiceberg.manifest import DataFile, DataFileContent, ManifestContent
from pyiceberg.table import Table
from target_iceberg.files.orphans import held, orphans
from target_iceberg.run import IncompleteStreamError

TIME = "2026-03-01T10:00:00+00:00"
SCHEMA = {
    "id": {"type": "integer"},
    "name": {"type": ["string", "null"]},
    "_sdc_deleted_at": {"type": ["string", "null"], "format": "date-time"},
}


def gone(key: int, **columns: Any) -> dict[str, Any]:
    return {"id": key, **columns, "_sdc_deleted_at": TIME}


class Pets:
    """A stream of another tap, loaded in one mode."""

    def __init__(self, shop: Shop, deletes: str) -> None:
        self.shop, self.deletes, self.loads = shop, deletes, 0

    def load(self, *records: dict[str, Any], complete: bool = False, write: str = "merge", **options: Any) -> None:
        self.loads += 1
        keys = options.pop("keys", ["id"])
        lines = f"write: {write}\ndeletes: {self.deletes}\nkey: [{', '.join(keys)}]" if keys else ""
        folder = contracts(self.shop.folder / f"contracts-{write}", pets=lines)
        messages: list[dict[str, Any]] = [
            {"type": "SCHEMA", "stream": "pets", "schema": {"properties": SCHEMA}, "key_properties": keys},
            *({"type": "RECORD", "stream": "pets", "record": record} for record in records),
            {"type": "STATE", "value": {"bookmarks": {"pets": {"position": self.loads}}}},
        ]
        if complete:
            messages.insert(1, {"type": "ACTIVATE_VERSION", "stream": "pets", "version": self.loads})
        self.shop.load("\n".join(json.dumps(message) for message in messages), contracts=folder, **options)

    @property
    def table(self) -> Table:
        return self.shop.table("pets")

    def names(self) -> dict[int, str | None]:
        """Return the name of each key. Fails if a key has two rows."""
        found = reading.rows(self.table, "id", "name")
        assert len({key for key, _ in found}) == len(found), f"a key has several rows: {found}"
        return dict(found)

    def deleted(self) -> dict[int, dt.datetime]:
        return {key: time for key, time in reading.rows(self.table, "id", "_sdc_deleted_at") if time is not None}


@pytest.fixture
def pets(new_shop: Callable[[], Shop], request: pytest.FixtureRequest) -> Pets:
    """Three pets, loaded with deletions as the test's parameter says (hard by default)."""
    pets = Pets(new_shop(), getattr(request, "param", "hard"))
    pets.load(*({"id": key, "name": f"pet {key}"} for key in (1, 2, 3)))
    return pets


def files(table: Table, content: DataFileContent) -> list[DataFile]:
    snapshot = table.current_snapshot()
    assert snapshot is not None
    entries = [entry for each in snapshot.manifests(table.io) for entry in each.fetch_manifest_entry(table.io)]
    return [entry.data_file for entry in entries if entry.data_file.content == content]


def test_newest_row_of_a_key_wins_and_old_files_are_not_touched(pets: Pets) -> None:
    """An upsert that rewrites the table costs what the table costs."""
    before = {file.file_path for file in files(pets.table, DataFileContent.DATA)}
    pets.load({"id": 2, "name": "Zoë"}, {"id": 4, "name": "new"})
    assert pets.names() == {1: "pet 1", 2: "Zoë", 3: "pet 3", 4: "new"}
    assert before < {file.file_path for file in files(pets.table, DataFileContent.DATA)}
    assert len(pets.table.snapshots()) == 2, "rows and deletes must become visible together"
    assert pets.table.schema().identifier_field_names() == {"id"}


def test_first_load_needs_no_delete_files(pets: Pets) -> None:
    assert files(pets.table, DataFileContent.EQUALITY_DELETES) == []


def test_delete_files_tell_readers_what_they_need(pets: Pets) -> None:
    """Bounds let an engine skip them; a summary that miscounts makes its row counts wrong."""
    pets.load({"id": 2, "name": "Zoë"}, gone(3))
    (deletes,) = files(pets.table, DataFileContent.EQUALITY_DELETES)
    field = pets.table.schema().find_field("id").field_id
    assert deletes.equality_ids == [field]
    assert deletes.record_count == 2
    assert [int.from_bytes(bound[field], "little") for bound in (deletes.lower_bounds, deletes.upper_bounds)] == [2, 3]
    snapshot = pets.table.current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    counts = {name: snapshot.summary[name] for name in ("total-records", "total-equality-deletes", "added-records",
                                                        "total-delete-files", "total-data-files")}  # fmt: skip
    assert counts == {"total-records": "4", "total-equality-deletes": "2", "added-records": "1",
                      "total-delete-files": "1", "total-data-files": "2"}  # fmt: skip
    assert snapshot.summary.operation.value == "overwrite"


def test_last_row_of_a_key_within_one_load_wins(pets: Pets) -> None:
    """Equality deletes do not reach rows of their own snapshot: without more, both rows would stay."""
    pets.load(
        {"id": 2, "name": "first"}, {"id": 9, "name": "nine"}, {"id": 2, "name": "second"}, {"id": 2, "name": "third"},
        batch_size_rows=2,
    )  # fmt: skip
    assert pets.names() == {1: "pet 1", 2: "third", 3: "pet 3", 9: "nine"}


@pytest.mark.parametrize("pets", ["hard", "soft", "keep"], indirect=True)
def test_deletions_go_as_the_stream_says(pets: Pets) -> None:
    pets.load(gone(2, name="last name"), {"id": 3, "name": "alive"})
    expected: dict[str, dict[int, str | None]] = {
        "hard": {1: "pet 1", 3: "alive"},
        "soft": {1: "pet 1", 2: "last name", 3: "alive"},
        "keep": {1: "pet 1", 2: "pet 2", 3: "alive"},
    }
    assert pets.names() == expected[pets.deletes]
    assert list(pets.deleted()) == ([2] if pets.deletes == "soft" else [])
    pets.load({"id": 2, "name": "back"})
    assert pets.names() == {1: "pet 1", 2: "back", 3: "alive"}
    assert pets.deleted() == {}


def test_order_of_deletion_and_row_within_one_load(pets: Pets) -> None:
    """A row that is deleted and written again is alive; one that is written and deleted is not."""
    pets.load(gone(1), {"id": 1, "name": "again"}, {"id": 7, "name": "short life"}, gone(7))
    assert pets.names() == {1: "again", 2: "pet 2", 3: "pet 3"}


@pytest.mark.parametrize("pets", ["soft"], indirect=True)
def test_soft_deletion_that_tells_the_key_only_keeps_the_rest_of_the_row(pets: Pets) -> None:
    """A replication log says of a deleted row its key; the columns must not become null."""
    pets.load({"id": 2, "name": "renamed"})
    pets.load(gone(2), gone(8), gone(3), {"id": 3, "name": "back"})
    assert pets.names() == {1: "pet 1", 2: "renamed", 3: "back"}
    assert pets.deleted() == {2: dt.datetime.fromisoformat(TIME)}


@pytest.mark.parametrize("pets", ["soft"], indirect=True)
def test_soft_deletion_is_a_new_version_for_incremental_models(pets: Pets) -> None:
    """They take what was loaded since they last looked: a deletion that keeps the old time is never seen."""
    before = dict(reading.rows(pets.table, "id", "_loaded_at"))
    pets.load(gone(2))
    after = dict(reading.rows(pets.table, "id", "_loaded_at"))
    assert after[2] > before[2]
    assert (after[1], after[3]) == (before[1], before[3])


@pytest.mark.parametrize("pets", ["hard", "soft", "keep"], indirect=True)
def test_complete_read_finds_what_is_gone(pets: Pets) -> None:
    """A source that announces no deletions shows them by what a complete read lacks."""
    pets.load({"id": 2, "name": "renamed"}, {"id": 5, "name": "five"})
    pets.load({"id": 1, "name": "one"}, complete=True)
    expected: dict[str, dict[int, str | None]] = {"hard": {1: "one"}}
    assert pets.names() == expected.get(pets.deletes, {1: "one", 2: "renamed", 3: "pet 3", 5: "five"})
    assert list(pets.deleted()) == ([2, 3, 5] if pets.deletes == "soft" else [])
    before = pets.deleted()
    pets.load({"id": 1, "name": "one"}, complete=True)
    assert pets.deleted() == before, "what was deleted before keeps its time"


def test_replaced_table_carries_no_old_delete_files(pets: Pets) -> None:
    pets.load({"id": 2, "name": "renamed"})
    pets.load({"id": 1, "name": "one"}, complete=True)
    assert files(pets.table, DataFileContent.EQUALITY_DELETES) == []
    snapshot = pets.table.current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    assert [snapshot.summary[name] for name in ("total-records", "total-delete-files")] == ["1", "0"]


def test_table_of_appended_versions_is_not_merged_into(pets: Pets) -> None:
    """An upsert removes all versions of the keys it touches; other keys would keep theirs, and count twice."""
    pets.load({"id": 1, "name": "version"}, write="append")
    assert len(reading.rows(pets.table, "id")) == 4
    with pytest.raises(IncompleteStreamError, match=r"may hold several versions of a key.*--full-refresh"):
        pets.load({"id": 1, "name": "merged"})
    pets.load({"id": 1, "name": "all"}, complete=True)
    pets.load({"id": 1, "name": "merged"})
    assert pets.names() == {1: "merged"}


def test_key_of_two_columns(new_shop: Callable[[], Shop]) -> None:
    pets = Pets(new_shop(), "hard")
    pets.load({"id": 1, "name": "a"}, {"id": 1, "name": "b"}, {"id": 2, "name": "a"}, keys=["id", "name"])
    pets.load(gone(1, name="a"), {"id": 2, "name": "a"}, keys=["id", "name"])
    assert reading.rows(pets.table, "id", "name") == [(1, "b"), (2, "a")]


def test_manifests_of_deletes_are_merged(pets: Pets) -> None:
    """A manifest a load would make every read slower for ever."""
    with pets.table.transaction() as transaction:
        transaction.set_properties({"commit.manifest.min-count-to-merge": "3"})
    for number in range(8):
        pets.load({"id": 2, "name": f"round {number}"})
    snapshot = pets.table.current_snapshot()
    assert snapshot is not None
    assert len(snapshot.manifests(pets.table.io)) < 8
    assert pets.names() == {1: "pet 1", 2: "round 7", 3: "pet 3"}


def test_delete_files_of_a_failed_load_are_orphans(pets: Pets, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise they stay in the bucket for ever."""

    def crash(*_arguments: Any, **_options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("target_iceberg.commit.load.Load.commit_prepared", crash)
    with pytest.raises(KeyboardInterrupt):
        pets.load({"id": 2, "name": "lost"})
    monkeypatch.undo()
    pets.load({"id": 2, "name": "Zoë"})
    names = [Path(name).name for name in orphans(pets.table)]
    assert len(names) == 2
    assert [name.endswith("-deletes.parquet") for name in names] == [False, True]
    assert not set(orphans(pets.table)) & held(pets.table)


def test_ids_of_key_columns_have_the_width_of_the_specification(pets: Pets) -> None:
    """Trino casts them to 32 bits: with pyiceberg's 64 it cannot read the table at all."""
    pets.load({"id": 2, "name": "Zoë"})
    snapshot = pets.table.current_snapshot()
    assert snapshot is not None
    (manifest,) = [each for each in snapshot.manifests(pets.table.io) if each.content == ManifestContent.DELETES]
    content = Path(manifest.manifest_path.removeprefix("file://")).read_bytes()
    declared = content[content.index(b'"equality_ids"') :][:200].replace(b" ", b"")
    assert b'"items":"int"' in declared, declared
