"""A first load that dies is gone on from: exactly the source's rows, and what is the same is not read again."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from conftest import Shop
from crash_points import CATALOG, LOAD, OUTPUT, SESSION
from crash_processes import Fault
from pyiceberg.catalog import load_catalog
from target_iceberg.admin import positions
from target_iceberg.commit.progress import kept
from target_iceberg.files.orphans import held, orphans
from unfinished import KEPT, PIECES, ROWS, Unfinished, dies

HALF = PIECES // 2


@pytest.fixture
def unfinished(new_shop: Callable[[], Shop]) -> Unfinished:
    return Unfinished.of(new_shop())


@pytest.mark.parametrize("number", [1, HALF, PIECES])
def test_pieces_that_are_unchanged_are_not_read_again(unfinished: Unfinished, number: int) -> None:
    """A crash in hour six would cost six hours. The last of them: the table was read, and another stream failed."""
    unfinished.die(number)
    begun = unfinished.files()
    outcome = unfinished.finish()
    assert f"{number} of its {number} pieces, {number * ROWS // PIECES} rows, are unchanged" in outcome.log
    assert unfinished.runs() == sorted(each for each in (number, PIECES - number) if each)
    assert begun <= unfinished.files()


def test_two_dead_runs_in_a_row(unfinished: Unfinished) -> None:
    unfinished.die(2)
    unfinished.shop.execute(f"update shop.rows set version = 1 where id = {ROWS}")
    # The first keeping is that of what was taken over.
    assert not unfinished.run(dies(4)).complete
    assert len(unfinished.pieces) == 5
    outcome = unfinished.finish()
    assert "5 of its 5 pieces" in outcome.log
    assert unfinished.runs() == [2, 3, 3]


@pytest.mark.parametrize(
    ("changes", "stay"),
    [
        (["insert into shop.rows values (2001, 0, 'added')"], HALF),
        (["update shop.rows set version = 1 where id = 1"], HALF - 1),
        (["delete from shop.rows where id in (1, 300)"], HALF - 2),
        (["delete from shop.rows where id in (1, 300)", "vacuum shop.rows", "insert into shop.rows values (1, 9)"], 2),
        ([f"update shop.rows set version = 1 where id = {ROWS}", f"delete from shop.rows where id = {ROWS - 1}"], HALF),
        (["update shop.rows set version = version + 1"], 0),
        (["delete from shop.rows"], None),  # it is small as soon as it is vacuumed
        (["delete from shop.rows", "vacuum shop.rows"], None),
        (["vacuum freeze shop.rows"], HALF),
        (["create index on shop.rows (version)", "analyze shop.rows"], HALF),
    ],
    ids=["append", "update", "delete", "replaced", "unread", "all", "emptied", "truncated", "freeze", "index"],
)
def test_a_source_that_changed_in_between(unfinished: Unfinished, changes: list[str], stay: int | None) -> None:
    """Rows that were read and are no more, or are others, must not stay; whatever was written since must come."""
    unfinished.die(HALF)
    unfinished.shop.execute(*changes)
    log = unfinished.finish().log
    assert stay is None or f"{stay} of its {HALF} pieces" in log


def test_a_row_that_moves_into_a_free_place_of_blocks_that_are_read(unfinished: Unfinished) -> None:
    """Its new version is where nobody would look any more, its old one where nobody has looked yet."""
    unfinished.shop.execute("delete from shop.rows where id <= 80", "vacuum (index_cleanup on) shop.rows")
    unfinished.die(HALF)
    unfinished.shop.execute(f"update shop.rows set version = 1 where id in ({ROWS}, {ROWS - 1})")
    with unfinished.shop.connect() as connection:
        ((moved,),) = connection.execute("select count(*) from shop.rows where version = 1 and ctid < '(20,0)'")
    assert moved == 2
    outcome = unfinished.finish()
    assert f"{HALF} of its {HALF} pieces" in outcome.log
    assert "2 rows came into them since" in outcome.log


def test_a_transaction_that_was_open_while_the_first_run_read(unfinished: Unfinished) -> None:
    """Its rows have a place and a number that were passed when it commits; so have those of its savepoints."""
    unfinished.shop.execute("delete from shop.rows where id <= 80", "vacuum (index_cleanup on) shop.rows")
    with unfinished.shop.connect() as connection, connection.transaction():
        connection.execute("insert into shop.rows values (2001, 0, 'open')")
        with connection.transaction():
            connection.execute("insert into shop.rows values (2002, 0, 'in a savepoint')")
        unfinished.shop.execute("insert into shop.rows values (2003, 0, 'committed, and later than the open one')")
        unfinished.die(HALF)
    outcome = unfinished.finish()
    # What the first run saw of a transaction that is later than one in progress does not count as older.
    assert f"{HALF - 1} of its {HALF} pieces" in outcome.log


REWRITTEN = "the table was emptied or written anew"


@pytest.mark.parametrize(
    ("statements", "why"),
    [
        (
            [
                "truncate shop.rows",
                "insert into shop.rows select i, 0, repeat('n', 1900) from generate_series(1, 800) i",
            ],
            REWRITTEN,
        ),
        (["vacuum full shop.rows"], REWRITTEN),
        (["cluster shop.rows using rows_pkey"], REWRITTEN),
        (["alter table shop.rows alter id type bigint"], None),
        (
            [
                "alter table shop.rows rename to other",
                "create table shop.rows (like shop.other including all)",
                "insert into shop.rows table shop.other",
            ],
            "the table was made anew",
        ),
        (["alter table shop.rows add further int default 7"], None),
        (
            ["alter table shop.rows drop version", "alter table shop.rows add version int not null default 7"],
            "its columns are others",
        ),
        (["alter table shop.rows drop note"], None),
        (["alter type shop.mood rename value 'glad' to 'happy'"], "a type of its columns was altered"),
        (["alter type shop.place add attribute floor int"], "a type of its columns was altered"),
    ],
    ids=["truncate", "vacuum full", "cluster", "retype", "anew", "add", "add again", "drop", "enum", "composite"],
)
def test_what_makes_kept_pieces_worthless(new_shop: Callable[[], Shop], statements: list[str], why: str | None) -> None:
    """Rows of another table, or the text that a value had before. None: the lake's table has other columns, too."""
    unfinished = Unfinished.of(new_shop(), ", mood shop.mood, place shop.place", ", 'glad', row('a', i)::shop.place")
    unfinished.die(HALF)
    unfinished.shop.execute(*statements, "grant select on shop.rows to reader")
    unfinished.write = "key: [id]\nwrite: append\non_drift: {missing_column: accept, type_changed: accept}"
    outcome = unfinished.run()
    assert outcome.complete, outcome.log
    assert why is None or f"is read anew: {why}" in outcome.log
    assert len(unfinished.runs()) == 1
    assert kept(unfinished.table.metadata) is None


def test_columns_of_the_lake_that_changed_make_kept_files_worthless(unfinished: Unfinished) -> None:
    """A file says by numbers which column of the table is which."""
    unfinished.die(HALF)
    with unfinished.table.update_schema() as update:
        update.rename_column("note", "remark")
    outcome = unfinished.run()
    assert outcome.complete, outcome.log
    assert unfinished.runs() == [PIECES]
    assert set(unfinished.table.scan().to_arrow()["note"].to_pylist()) == {"n" * 1900}


@pytest.mark.parametrize("kind", ["regclass", "regrole[]"])
def test_names_that_change_by_themselves_are_never_kept(new_shop: Callable[[], Shop], kind: str) -> None:
    """The text of `regclass` is that of a table's name, which may be renamed while no row changes."""
    unfinished = Unfinished.of(new_shop(), f", named {kind}")
    outcome = unfinished.finish()
    assert "progress is not kept: a column holds names" in outcome.log


def test_a_role_that_may_not_ask_which_server_it_is(unfinished: Unfinished) -> None:
    """A run that can't tell a restored server from the one before must not go on from anything."""
    unfinished.shop.execute("revoke execute on function pg_control_system() from public")
    try:
        outcome = unfinished.finish()
    finally:
        unfinished.shop.execute("grant execute on function pg_control_system() to public")
    assert "progress is not kept: the role may not call pg_control_system()" in outcome.log


@pytest.mark.parametrize(
    "fault",
    [
        Fault("tap", "before", "tap_postgres_arrow.progress:Progress.tell", 3),
        Fault("tap", "after", "tap_postgres_arrow.progress:Progress.tell", 3),
        Fault("target", "before", KEPT, 3),
        Fault("target", "before", OUTPUT, 12),
        Fault("target", "before", SESSION, 3),
        Fault("target", "after", SESSION, 3),
        Fault("target", "before", f"{CATALOG}.commit_table", 4),
        Fault("target", "after", f"{CATALOG}.commit_table", 4),
        Fault("target", "before", f"{LOAD}.prepare"),
        Fault("target", "before", "target_iceberg.commit.publish:load_attempt"),
        Fault("target", "after", f"{LOAD}.commit_prepared"),
    ],
    ids=str,
)
def test_kill_around_a_keeping(unfinished: Unfinished, fault: Fault) -> None:
    """Before it is committed the one before counts, after it this one; and the table is right in any case."""
    assert not unfinished.run(fault).complete
    unfinished.shop.execute("update shop.rows set version = 1 where id in (1, 150)", "insert into shop.rows values (0)")
    unfinished.finish(orphaned=True)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("tap", "before", "tap_postgres_arrow.progress:Progress.count", 2),
        Fault("tap", "after", "tap_postgres_arrow.progress:Progress.go_on"),
        Fault("target", "before", f"{LOAD}.take_over"),
        Fault("target", "after", f"{LOAD}.take_over"),
        Fault("target", "before", KEPT),
        Fault("target", "after", KEPT),
        Fault("target", "before", f"{LOAD}.prepare"),
    ],
    ids=str,
)
def test_kill_while_going_on(unfinished: Unfinished, fault: Fault) -> None:
    unfinished.die(HALF)
    unfinished.shop.execute("update shop.rows set version = 1 where id in (1, 150)", "insert into shop.rows values (0)")
    assert not unfinished.run(fault).complete
    unfinished.shop.execute(
        "update shop.rows set version = 2 where id in (250, 700)", "insert into shop.rows values (-1)"
    )
    unfinished.finish(orphaned=True)


def test_a_run_that_fails_leaves_what_is_kept(unfinished: Unfinished) -> None:
    """A target that ends in order deletes what it has written: not what the next run goes on from."""
    outcome = unfinished.run(Fault("tap", "before", "tap_postgres_arrow.progress:Progress.tell", HALF))
    assert outcome.target == 1, outcome.log
    assert len(unfinished.files()) == HALF - 1, "those that are kept, and no other"
    assert f"{HALF - 1} of its {HALF - 1} pieces" in unfinished.finish().log


def test_two_runs_at_once(unfinished: Unfinished) -> None:
    """The first would commit files that the second has dropped, or delete those that it has taken over."""
    second = []
    fault = Fault("target", "after", KEPT, HALF)
    first = unfinished.run(fault, meanwhile=lambda: second.append(unfinished.run(dies(2))))
    assert not second[0].complete
    assert not first.complete
    assert "two runs at once" in first.log
    unfinished.finish(orphaned=True)


def test_nobody_takes_kept_files_for_orphans(unfinished: Unfinished) -> None:
    """Maintenance deletes what no snapshot holds, and publication what a dead run has staged."""
    unfinished.finish()
    unfinished.die(HALF)
    positions(load_catalog("lake"), unfinished.shop.namespace)
    assert orphans(unfinished.table) == []
    assert unfinished.files() <= held(unfinished.table)
    assert unfinished.table.scan().to_arrow().num_rows == ROWS, "nothing of it is visible"
    assert f"{HALF} of its {HALF} pieces" in unfinished.finish().log


def test_a_load_in_between_removes_what_is_kept(unfinished: Unfinished) -> None:
    """Its rows would be dated before those of the load between, which whoever follows `_loaded_at` has passed."""
    unfinished.die(HALF)
    unfinished.settings["piece_bytes"] = 1 << 30
    unfinished.finish()
    del unfinished.settings["piece_bytes"]
    assert "going on" not in unfinished.finish().log


def test_a_row_that_does_not_fit_begins_the_read_again(unfinished: Unfinished) -> None:
    """What is kept by then is without it, but the rest is read in another way."""
    unfinished.shop.execute("alter table shop.rows add price numeric(8,2) default 1")
    unfinished.die(2)
    unfinished.shop.execute(f"update shop.rows set price = 'NaN' where id = {ROWS}")
    outcome = unfinished.run()
    assert outcome.complete, outcome.log
    assert "2 of its 2 pieces" in outcome.log
    unfinished.shop.execute(f"delete from shop.rows where id = {ROWS}")
    unfinished.check()


def test_a_merge_keeps_no_progress(unfinished: Unfinished) -> None:
    """Its rows are written anew, key by key; and what an append has left is of no use to it."""
    unfinished.die(HALF)
    unfinished.write = "key: [id]\nwrite: merge"
    outcome = unfinished.finish()
    assert "going on" not in outcome.log


def test_progress_can_be_switched_off(unfinished: Unfinished) -> None:
    unfinished.die(HALF)
    unfinished.settings["resume"] = False
    assert "going on" not in unfinished.finish().log


def test_small_tables_pay_nothing(unfinished: Unfinished) -> None:
    unfinished.settings["piece_bytes"] = 1 << 30
    outcome = unfinished.finish()
    assert len(unfinished.table.metadata.metadata_log) <= 2
    assert "progress" not in json.dumps([each.summary and str(each.summary) for each in unfinished.table.snapshots()])
    assert outcome.complete
