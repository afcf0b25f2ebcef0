"""Rows of the quarantine into tables that are merged: with equality deletes in them, and newer versions of the rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import reading
from conftest import Shop
from pyiceberg.catalog import Catalog
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.table import Table
from target_iceberg import admin
from target_iceberg.commit.publish import RefusedLoadError
from target_iceberg.files.orphans import orphans
from target_iceberg.quarantine import released, written
from target_iceberg.quarantine.replay import Outcome, replay

NUMBER: dict[str, Any] = {"type": ["number", "null"], "multipleOf": 0.01}
TEXT: dict[str, Any] = {"type": ["string", "null"]}
TIME = "2026-03-01T10:00:00+00:00"


class Pets:
    """A merged stream whose prices are numbers until its contract decides for text."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.loads = shop, 0
        self.decide()

    def decide(self, more: str = "deletes: hard") -> None:
        self.shop.contract(f"write: merge\nkey: [id]\n{more}", "pets")

    def load(self, *records: dict[str, Any], price: dict[str, Any] = NUMBER, complete: bool = False) -> None:
        self.loads += 1
        times = {"type": ["string", "null"], "format": "date-time"}
        schema = {"id": {"type": "integer"}, "price": price, "at": times, "_sdc_deleted_at": times}
        bookmark = {"replication_key": "at", "position": self.loads}
        messages: list[dict[str, Any]] = [
            {"type": "SCHEMA", "stream": "pets", "schema": {"properties": schema}, "key_properties": ["id"]},
            *([{"type": "ACTIVATE_VERSION", "stream": "pets", "version": self.loads}] if complete else []),
            *({"type": "RECORD", "stream": "pets", "record": record} for record in records),
            {"type": "STATE", "value": {"bookmarks": {"pets": bookmark}}},
        ]
        self.shop.load(messages)

    def correct(self, *records: dict[str, Any]) -> None:
        """Have the contract decide for text, and load these records after it."""
        self.decide("deletes: hard\ncolumns: {id: bigint, price: text}")
        self.load(*records, price=TEXT)

    def prices(self) -> list[tuple[int, str | None]]:
        return reading.rows(self.table, "id", "price")

    @property
    def table(self) -> Table:
        return self.shop.table("pets")


@pytest.fixture
def pets(new_shop: Callable[[], Shop]) -> Pets:
    """Three pets; one was updated since, so that the table has equality deletes."""
    pets = Pets(new_shop())
    pets.load({"id": 1, "price": 1}, {"id": 2, "price": 2}, {"id": 3, "price": 3})
    pets.load({"id": 1, "price": 1.5})
    return pets


def again(pets: Pets, catalog: Catalog) -> Outcome:
    return replay(catalog, pets.shop.namespace, "pets", "hard")  # type: ignore[arg-type]


def test_a_released_row_takes_the_place_of_its_keys_row(pets: Pets, catalog: Catalog) -> None:
    """pyiceberg's upsert reads no table with equality deletes; an append would leave the key twice."""
    pets.load({"id": 2, "price": "dear"}, {"id": 4, "price": "cheap"})
    pets.correct({"id": 5, "price": "5"})
    before = pets.table.current_snapshot()
    assert again(pets, catalog) == Outcome(released=2, superseded=0, kept=0)
    assert pets.prices() == [(1, None), (2, "dear"), (3, None), (4, "cheap"), (5, "5")]
    assert pets.shop.quarantine() == []
    after = pets.table.current_snapshot()
    assert before is not None
    assert after is not None
    assert after.parent_snapshot_id == before.snapshot_id, "rows and deletes must become visible together"
    assert orphans(pets.table) == []
    pets.load({"id": 2, "price": "dearer"}, price=TEXT)  # loads go on, and merge over it
    assert pets.prices()[1] == (2, "dearer")


def test_a_newer_version_is_never_overwritten(pets: Pets, catalog: Catalog) -> None:
    """The source was corrected, and sent the row again: what was set aside is history."""
    pets.load({"id": 2, "price": "dear"}, {"id": 4, "price": "cheap"})
    pets.correct({"id": 2, "price": "2.50"})
    assert again(pets, catalog) == Outcome(released=1, superseded=1, kept=0)
    assert pets.prices() == [(1, None), (2, "2.50"), (3, None), (4, "cheap")]
    assert pets.shop.quarantine() == []


def test_a_row_that_is_gone_since_stays_gone(pets: Pets, catalog: Catalog) -> None:
    """No row of the key is left to compare with: the file that lists what its load removed tells."""
    pets.load({"id": 2, "price": "dear"})
    pets.correct({"id": 2, "_sdc_deleted_at": TIME})
    assert again(pets, catalog) == Outcome(released=0, superseded=1, kept=0)
    assert [key for key, _ in pets.prices()] == [1, 3]


@pytest.mark.parametrize(
    ("bad", "good", "outcome"),
    [
        ("10:00", "11:00", Outcome(released=0, superseded=1, kept=0)),
        ("11:00", "10:00", Outcome(released=1, superseded=0, kept=0)),
        ("10:00", "10:00", Outcome(released=0, superseded=0, kept=1)),
        (None, "10:00", Outcome(released=0, superseded=0, kept=1)),
    ],
)
def test_two_versions_of_one_load_are_told_apart_by_the_replication_key(
    pets: Pets, catalog: Catalog, bad: str | None, good: str, outcome: Outcome
) -> None:
    """One was set aside and one stored: without a sign which is the newer one nothing is overwritten."""
    times = {clock: f"2026-03-01T{clock}:00+00:00" for clock in ("10:00", "11:00")}
    pets.load({"id": 2, "price": "dear", "at": bad and times[bad]}, {"id": 2, "price": 7, "at": times[good]})
    pets.correct()
    assert again(pets, catalog) == outcome
    assert dict(pets.prices())[2] == ("dear" if outcome.released else None)
    assert len(pets.shop.quarantine()) == outcome.kept


def test_of_several_rows_of_a_key_the_last_decides(pets: Pets, catalog: Catalog) -> None:
    """An older one that is released first would look newer than the last one, at the next replay."""
    pets.load({"id": 2, "price": "dear"}, {"id": 3, "price": 3})
    pets.load({"id": 2, "price": "dearer", "at": "never"}, {"id": 4, "price": "cheap"}, {"id": 3, "price": 3})
    pets.load({"id": 4, "price": "cheaper"}, {"id": 3, "price": 3})
    pets.correct()
    assert again(pets, catalog) == Outcome(released=1, superseded=1, kept=2)
    assert dict(pets.prices()) == {1: None, 2: None, 3: None, 4: "cheaper"}


def test_a_replay_that_dies_midway_changes_nothing_twice(
    pets: Pets, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    pets.load({"id": 2, "price": "dear"})
    pets.correct()
    with monkeypatch.context() as patch:
        patch.setattr("target_iceberg.quarantine.rejected.keep_only", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            again(pets, catalog)
    snapshots = len(pets.table.snapshots())
    again(pets, catalog)
    assert pets.prices() == [(1, None), (2, "dear"), (3, None)]
    assert len(pets.table.snapshots()) == snapshots
    assert pets.shop.quarantine() == []


def test_a_load_in_between_ends_the_replay(pets: Pets, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may bring newer versions, which were not there when the rows were chosen; and its own rows to set aside."""
    pets.load({"id": 2, "price": "dear"}, {"id": 3, "price": 3})
    pets.correct()
    original = released.write

    def late(*arguments: Any, **options: Any) -> None:
        monkeypatch.undo()
        pets.load({"id": 2, "price": "newest"}, {"id": 6, "price": "x", "at": "never"}, price=TEXT)
        original(*arguments, **options)

    monkeypatch.setattr(released, "write", late)
    with pytest.raises(RefusedLoadError, match="was loaded while rows of the quarantine"):
        again(pets, catalog)
    assert dict(pets.prices())[2] == "newest"
    assert len(pets.shop.quarantine()) == 2
    folder = Path(pets.table.location().removeprefix("file://"))
    assert list(folder.rglob("replay-*")) == []
    assert again(pets, catalog) == Outcome(released=0, superseded=1, kept=1)


def test_only_files_that_can_tell_are_read(pets: Pets, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking for newer versions in a table of years must not read all of it."""
    pets.load({"id": 2, "price": "dear"}, {"id": 50, "price": 1})
    pets.load(*({"id": number, "price": 1} for number in range(100, 200)))
    pets.correct({"id": 1, "price": "9"}, {"id": 3, "price": "9"})  # a key on either side: bounds can't leave it out
    scanned: list[str] = []

    class Counted(ArrowScan):
        def to_record_batches(self, tasks: Any) -> Any:
            tasks = list(tasks)
            scanned.extend(task.file.file_path.rsplit("/", 1)[1] for task in tasks)
            return super().to_record_batches(tasks)

    monkeypatch.setattr(written, "ArrowScan", Counted)
    assert again(pets, catalog) == Outcome(released=1, superseded=0, kept=0)
    loads = sorted((int(name.split("-")[1]), name.endswith("-deletes.parquet")) for name in scanned)
    assert loads == [(5, False), (5, True)]


def test_the_command_works_by_the_contract(
    pets: Pets, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row that says that it was deleted must not come to life, where its contract says that such rows go."""
    pets.load({"id": 2, "price": "dear", "_sdc_deleted_at": TIME}, {"id": 4, "price": "cheap"})
    pets.correct()
    monkeypatch.setenv("HEADWATER_CONTRACTS", pets.shop.contracts["contracts"])
    monkeypatch.setattr("sys.argv", ["target-iceberg-tables", "--namespace", pets.shop.namespace, "replay", "pets"])
    admin.main()
    assert "pets: 2 rows released, 0 superseded by newer versions, 0 kept" in capsys.readouterr().out
    assert pets.prices() == [(1, None), (3, None), (4, "cheap")]
    assert json.dumps(pets.shop.quarantine()) == "[]"
