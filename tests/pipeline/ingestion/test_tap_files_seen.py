"""Which files were read: each is known, in the same commit as its rows, whatever date a later one has."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
import reading
from exports import Exports
from pyiceberg.catalog import load_catalog
from tap_files.errors import FilesError
from tap_files.store import Store
from target_iceberg.run import IncompleteStreamError

START = 1_790_000_000


@pytest.fixture
def exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Exports:
    """A folder whose files are dated by the number in their name: the clock of a file system can't be put back."""
    made = Exports(tmp_path, f"raw_{uuid.uuid4().hex[:12]}")
    made.root.mkdir()
    original = Store._file

    def dated(self: Store, info: object) -> object:
        found = original(self, info)  # type: ignore[arg-type]
        number = int(found.name.rpartition("/")[2].partition(".")[0])
        return replace(found, modified_us=(START + number) * 10**6)

    monkeypatch.setattr(Store, "_file", dated)
    return made


def put(exports: Exports, *numbers: int) -> None:
    for number in numbers:
        exports.put(f"events/{number}.csv", f"n,what\n{number},x\n")


def take(exports: Exports, *numbers: int) -> None:
    for number in numbers:
        (exports.root / f"events/{number}.csv").unlink()


def numbers(exports: Exports) -> list[int]:
    return sorted(row["n"] for row in exports.rows("events"))


def test_a_late_file_is_loaded_whatever_went_before(exports: Exports) -> None:
    """Two files go, one comes with an old date: their number is smaller, so that nothing seems new."""
    put(exports, *range(10, 160))
    exports.replicate()
    take(exports, 10, 11)
    put(exports, 5)
    exports.replicate()
    exports.replicate()
    assert numbers(exports) == [5, *range(10, 160)]


def test_a_late_file_takes_no_history_away(exports: Exports) -> None:
    """Retention removes thirty files whose rows are to stay; a late file makes everything be read again."""
    put(exports, *range(10, 160))
    exports.replicate()
    take(exports, *range(10, 40))
    put(exports, 160)
    exports.replicate()
    put(exports, 5)
    exports.replicate()
    assert numbers(exports) == [5, *range(10, 161)]


def test_a_file_that_comes_back_is_not_read_twice(exports: Exports) -> None:
    put(exports, 1, 2)
    exports.replicate()
    take(exports, 1)
    put(exports, 3)
    exports.replicate()
    put(exports, 1)
    exports.replicate()
    assert numbers(exports) == [1, 2, 3]


def test_old_rows_of_a_late_file_replace_no_newer_ones(exports: Exports) -> None:
    """A customer moves back to the address of a file that was delayed."""
    exports.contract("events", "key: [id]\nwrite: merge\ncolumns:\n  id: bigint\n  what: text\n")
    exports.put("events/1.csv", "id,what\n1,first\n")
    exports.put("events/3.csv", "id,what\n1,newest\n")
    exports.replicate()
    exports.put("events/2.csv", "id,what\n1,late\n2,only late\n")
    exports.replicate()
    assert reading.rows(exports.table("events"), "id", "what") == [(1, "newest"), (2, "only late")]


def test_the_list_is_kept_once_and_follows_the_table(exports: Exports) -> None:
    """Metadata that grows by all files with each load; a table put back to an older load that misses files for ever."""
    put(exports, *range(10, 60))
    exports.replicate()
    for number in (60, 61):
        put(exports, number)
        exports.replicate()
    table = exports.table("events")
    summaries = [dict(each.summary.additional_properties) for each in table.snapshots() if each.summary]
    assert [len(each["headwater.seen-added"]) for each in summaries] == [50 * 16, 16, 16]
    assert all(len(each["headwater.bookmark"]) < 400 for each in summaries)
    first, _, third = (each.snapshot_id for each in table.snapshots())
    table.manage_snapshots().rollback_to_snapshot(first).commit()
    exports.state = {"bookmarks": exports.positions("events")}
    exports.replicate()
    assert numbers(exports) == list(range(10, 62)), "files of loads that were rolled back come again"
    exports.table("events").manage_snapshots().rollback_to_snapshot(first).commit()
    exports.state = {"bookmarks": exports.positions("events")}
    take(exports, 60, 61)
    put(exports, 62)
    exports.replicate()
    exports.table("events").manage_snapshots().set_current_snapshot(snapshot_id=third).commit()
    exports.state = {"bookmarks": exports.positions("events")}
    with pytest.raises(FilesError, match="--full-refresh"):
        exports.replicate()


def test_a_full_refresh_begins_the_list_anew(exports: Exports) -> None:
    put(exports, 1, 2)
    exports.replicate()
    take(exports, 1)
    exports.state = {}
    exports.replicate()
    assert numbers(exports) == [2]
    put(exports, 1)
    exports.replicate()
    assert numbers(exports) == [1, 2]
    properties = load_catalog("lake").load_table((exports.namespace, "events")).properties
    assert list(json.loads(properties["headwater.seen"])) == ["2", "3"]


def test_a_long_list_is_kept_in_pieces(exports: Exports, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS Glue refuses a property of more than 512,000 bytes: from thirty thousand files on nothing is loaded."""
    monkeypatch.setattr("target_iceberg.state.seen.PIECE_LETTERS", 100)
    put(exports, *range(10, 60))
    exports.replicate()
    put(exports, 60)
    exports.replicate()
    exports.state = {"bookmarks": exports.positions("events")}
    exports.replicate()
    assert numbers(exports) == list(range(10, 61))
    exports.state = {}
    take(exports, *range(11, 61))
    exports.replicate()
    exports.state = {"bookmarks": exports.positions("events")}
    put(exports, 61)
    exports.replicate()
    assert numbers(exports) == [10, 61], "pieces of the longer list are left"
    properties = load_catalog("lake").load_table((exports.namespace, "events")).properties
    assert max(len(value) for name, value in properties.items() if name.startswith("headwater.seen")) <= 100


MERGED = "key: [order_id]\nreplication_key: _modified\nwrite: merge\n"


def test_a_key_that_a_file_has_twice_costs_no_row(exports: Exports) -> None:
    """A key that was guessed of the first files: of two lines of one order in a later file, a merge keeps one."""
    exports.contract("orders", MERGED)
    exports.put("orders/1.csv", "order_id,v\n1,a\n2,b\n")
    exports.replicate()
    exports.put("orders/2.csv", "order_id,v\n2,B\n3,c\n3,d\n")
    with pytest.raises(IncompleteStreamError, match=r"1 keys occur more than once in one file, such as .*orders/2.csv"):
        exports.replicate()
    assert sorted(exports.merged("orders", "v")) == ["a", "b"]
    exports.contract("orders", MERGED + "on_drift: {duplicate_key: warn}\n")
    exports.replicate()
    assert sorted(exports.merged("orders", "v")) == ["B", "a", "d"]


def test_a_key_that_comes_again_in_another_file_is_a_newer_row(exports: Exports) -> None:
    """A daily export repeats orders that changed: that is no key that occurs twice."""
    exports.contract("orders", MERGED)
    exports.put("orders/1.csv", "order_id,v\n1,a\n2,b\n")
    exports.put("orders/2.csv", "order_id,v\n2,B\n")
    exports.replicate()
    assert sorted(exports.merged("orders", "v")) == ["B", "a"]
