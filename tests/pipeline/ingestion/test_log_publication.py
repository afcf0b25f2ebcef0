"""What is published, and what a table's log does not tell: respected, read in full, or refused with the way out."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from conftest import Shop
from following import PUBLICATION, follow, following, lake, merged, source
from tap_postgres_arrow.engine import SourceError
from test_changelog import catalog

ITEMS = (
    "create table shop.items (id int primary key, status text, secret text)",
    "insert into shop.items select i, 'new', 's' from generate_series(1, 5) i",
)
EVENTS = (
    "create table shop.events (id int, day date, v text, primary key (id, day)) partition by range (day)",
    "create table shop.events_1 partition of shop.events for values from ('2026-01-01') to ('2026-07-01')",
    "create table shop.events_2 partition of shop.events for values from ('2026-07-01') to ('2027-01-01')",
    "insert into shop.events values (1, '2026-02-01', 'a'), (2, '2026-08-01', 'b')",
)
VIA_ROOT = "create publication headwater for all tables with (publish_via_partition_root)"


def is_read_in_full(shop: Shop, stream: str) -> bool:
    """Whether the next run would replace a table."""
    sent = shop.extract(publication="headwater", slot=shop.slot)
    return stream in {each["stream"] for each in sent if each["type"] == "ACTIVATE_VERSION"}


def held_back(shop: Shop) -> int:
    """Bytes of the log that the slot keeps."""
    query = "select pg_current_wal_flush_lsn() - confirmed_flush_lsn from pg_replication_slots where slot_name like %s"
    with shop.connect() as connection:
        ((held,),) = connection.execute(query, [f"{shop.slot}%"]).fetchall()
    return int(held)


@pytest.mark.parametrize(
    ("publication", "way_out"),
    [
        ("for table shop.items with (publish = 'insert')", "set (publish = 'insert, update, delete, truncate')"),
        (
            "for all tables with (publish = 'insert, update, delete')",
            "set (publish = 'insert, update, delete, truncate')",
        ),
        ("for table shop.items where (id > 3)", "shop.items where (id > 3)"),
        ("for all tables", "set (publish_via_partition_root = true)"),
        ("for table shop.items, shop.events", "set (publish_via_partition_root = true)"),
        ("for table shop.events_1 with (publish_via_partition_root)", 'alter publication "headwater" drop table'),
    ],
)
def test_a_publication_that_leaves_changes_out_is_refused(
    new_shop: Callable[[], Shop], publication: str, way_out: str
) -> None:
    """Updates and deletes that never arrive, or a slot that nothing moves: the lake goes stale without a word."""
    shop = new_shop()
    shop.slot = "hw_s_refused"
    shop.execute(*ITEMS, *EVENTS, "alter role reader replication", f"create publication headwater {publication}")
    with pytest.raises(SourceError, match=re.escape(way_out)):
        follow(shop)
    with shop.connect() as connection:
        held = connection.execute("select 1 from pg_replication_slots where slot_name like 'hw_s_refused%'").fetchall()
    assert held == [], "nothing is begun"


def test_unpublished_columns_are_not_columns_of_the_stream(new_shop: Callable[[], Shop]) -> None:
    """A complete read has them, the log has not: with the first update they would be null."""
    shop = new_shop()
    merged(shop, "items", "id")
    publication = "create publication headwater for table shop.items (id, status)"
    with following(shop, *ITEMS, publication=publication):
        shop.execute("update shop.items set status = 'paid' where id = 1", "delete from shop.items where id = 2")
        follow(shop)
        assert lake(shop, "items", "id", "status") == source(shop, "items", "id", "status")
        assert "secret" not in [field.name for field in shop.table("items").schema().fields]


def test_partitioned_tables_are_followed_through_their_root(new_shop: Callable[[], Shop]) -> None:
    """Changes of partitions, rows that move between them, and a slot that goes on."""
    shop = new_shop()
    merged(shop, "events", "id", "day")
    with following(shop, *EVENTS, publication=VIA_ROOT):
        shop.execute(
            "update shop.events set v = 'c' where id = 1",
            "update shop.events set day = '2026-09-01' where id = 1",
            "create table shop.events_3 partition of shop.events for values from ('2027-01-01') to ('2028-01-01')",
            "insert into shop.events values (3, '2026-03-01', 'x'), (4, '2027-03-01', 'y')",
            "delete from shop.events where id = 2",
        )
        assert not is_read_in_full(shop, "events")
        follow(shop)
        assert lake(shop, "events", "id", "day", "v") == source(shop, "events", "id", "day", "v")
        follow(shop)
        assert held_back(shop) < 100_000


@pytest.mark.parametrize(
    "change",
    [
        ["truncate shop.events_1"],
        ["alter table shop.events detach partition shop.events_1"],
        ["drop table shop.events_1"],
        [
            "create table shop.other (like shop.events)",
            "insert into shop.other values (9, '2027-02-01', 'with it')",
            "alter table shop.events attach partition shop.other for values from ('2027-01-01') to ('2028-01-01')",
        ],
    ],
)
def test_partitions_that_come_or_go_with_their_rows(new_shop: Callable[[], Shop], change: list[str]) -> None:
    """The log of a partitioned table has no word of them: rows stay for ever, or never come."""
    shop = new_shop()
    merged(shop, "events", "id", "day")
    with following(shop, *EVENTS, publication=VIA_ROOT):
        shop.execute(*change)
        follow(shop)
        assert lake(shop, "events", "id", "day", "v") == source(shop, "events", "id", "day", "v")
        assert not is_read_in_full(shop, "events")


RENAMED = "alter table shop.items rename"
ADDED = "alter table shop.items add"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param([f"{RENAMED} status to state", f"{ADDED} flag boolean default true"], id="renamed"),
        pytest.param([f"{RENAMED} secret to hidden", f"{RENAMED} status to secret"], id="names moved on"),
        pytest.param([f"{ADDED} flag boolean not null default true"], id="added with values"),
        pytest.param(["alter table shop.items drop status", f"{ADDED} status text"], id="dropped and added anew"),
        pytest.param([f"{ADDED} at timestamptz default clock_timestamp()"], id="written anew"),
        pytest.param(["alter table shop.items alter status type text using upper(status)"], id="retyped"),
        pytest.param([f"{ADDED} twice int generated always as (id * 2) stored"], id="generated"),
    ],
)
def test_columns_that_change_while_the_log_waits(new_shop: Callable[[], Shop], change: list[str]) -> None:
    """Values of before a rename were lost, and rows that nobody wrote since kept nulls in a column with a default.

    Of a column that was dropped and added under its old name they kept the values that went with the dropped one.
    """
    shop = new_shop()
    merged(shop, "items", "id")
    with following(shop, *ITEMS):
        shop.execute("update shop.items set status = 'paid' where id = 1")
        shop.execute(*change, "update shop.items set id = 20 where id = 2")
        follow(shop)
        with shop.connect() as connection:
            found = connection.execute("select * from shop.items limit 0").description
        columns = [column.name for column in found or ()]
        assert lake(shop, "items", *columns) == source(shop, "items", *columns)
        assert not is_read_in_full(shop, "items")


def test_a_column_that_was_renamed_and_back_is_read_in_full(new_shop: Callable[[], Shop]) -> None:
    """Both runs see one name, and what was written in between has another one in the log."""
    shop = new_shop()
    merged(shop, "items", "id")
    with following(shop, *ITEMS):
        shop.execute(
            "alter table shop.items rename column status to state",
            "update shop.items set state = 'paid' where id = 1",
            "alter table shop.items rename column state to status",
        )
        follow(shop)
        assert lake(shop, "items", "id", "status") == source(shop, "items", "id", "status")


def test_columns_without_values_are_followed(new_shop: Callable[[], Shop]) -> None:
    """A column that is null in all older rows, or that is dropped, needs no complete read of a large table."""
    shop = new_shop()
    merged(shop, "items", "id")
    with following(shop, *ITEMS):
        shop.execute(
            "update shop.items set status = 'before' where id = 1",
            "alter table shop.items add gift boolean",
            "alter table shop.items drop column secret",
            "update shop.items set gift = true where id = 2",
        )
        assert not is_read_in_full(shop, "items")
        follow(shop)
        assert lake(shop, "items", "id", "status", "gift") == source(shop, "items", "id", "status", "gift")


@pytest.mark.parametrize(
    ("publication", "away", "back"),
    [
        ("create publication headwater for table shop.items", "drop table shop.items", "add table shop.items"),
        (PUBLICATION, "set (publish = 'insert')", "set (publish = 'insert, update, delete, truncate')"),
    ],
)
def test_changes_while_a_table_was_not_published_are_not_lost(
    new_shop: Callable[[], Shop], publication: str, away: str, back: str
) -> None:
    """The log is whole to look at, and what was written in between is not in it."""
    shop = new_shop()
    merged(shop, "items", "id")
    with following(shop, *ITEMS, publication=publication):
        shop.execute(
            f"alter publication headwater {away}",
            "update shop.items set status = 'paid' where id = 1",
            f"alter publication headwater {back}",
            "update shop.items set status = 'paid' where id = 2",
        )
        follow(shop)
        assert lake(shop, "items", "id", "status") == source(shop, "items", "id", "status")
        assert not is_read_in_full(shop, "items")


def test_a_complete_read_that_fails_is_made_again(new_shop: Callable[[], Shop]) -> None:
    """The slot goes on while a table is to be read in full: the run dies, and the next one finds nothing to do."""
    shop = new_shop()
    merged(shop, "items", "id")
    with following(shop, *ITEMS):
        shop.execute("truncate shop.items", "insert into shop.items values (7, 'a', 'b')")
        shop.extract(publication="headwater", slot=shop.slot)
        shop.execute("insert into shop.items values (8, 'a', 'b')")
        shop.extract(publication="headwater", slot=shop.slot)
        follow(shop)
        assert lake(shop, "items", "id") == [(7,), (8,)]


def test_tables_that_can_not_be_followed_are_read_as_before(
    new_shop: Callable[[], Shop], caplog: pytest.LogCaptureFixture
) -> None:
    """Tables whose log is another table's, or lacks the key: they neither hold the slot, nor are stale."""
    shop = new_shop()
    with following(
        shop,
        *ITEMS,
        "create table shop.parent (id int primary key, v text)",
        "create table shop.child (extra text, primary key (id)) inherits (shop.parent)",
        "create table shop.computed (n int, id int generated always as (n * 2) stored primary key)",
        "create table shop.keyless (v text)",
        "create table shop.hidden (id int primary key)",
        "revoke select on shop.hidden from reader",
        "insert into shop.parent values (1, 'a')",
        "insert into shop.child values (2, 'b', 'c')",
        "insert into shop.computed values (1)",
        "insert into shop.keyless values ('a')",
        "create table shop.loaded (id int primary key, _sdc_deleted_at timestamptz)",
        "insert into shop.loaded values (1, null)",
    ):
        shop.execute("update shop.parent set v = v || '+'", "update shop.computed set n = 5")
        follow(shop)
        assert lake(shop, "parent", "id", "v") == [(1, "a+"), (2, "b+")]
        assert [row[0] for row in lake(shop, "computed", "id")] == [10]
        assert "shop.parent does not follow the log" in caplog.text
        assert "shop.computed does not follow the log" in caplog.text
        assert lake(shop, "loaded", "id", "_sdc_deleted_at") == [(1, None)]
        assert "shop.loaded does not follow the log" in caplog.text
        follow(shop)
        assert held_back(shop) < 100_000, "tables that are no streams of the log do not hold it"


def test_a_table_that_another_run_reads_holds_the_slot(
    new_shop: Callable[[], Shop], caplog: pytest.LogCaptureFixture
) -> None:
    """The message must not ask to take a table out of a publication of all tables."""
    shop = new_shop()
    with following(shop, *ITEMS):
        shop.execute("create table shop.later (id int primary key)", "insert into shop.later values (1)")
        sent = shop.extract(publication="headwater", slot=shop.slot)
        assert "later" in {each.get("stream") for each in sent}
        follow(shop, catalog=catalog(shop, "items"))
        assert "later of publication headwater is read by another run" in caplog.text
        assert "create publication … for table" in caplog.text


def test_row_security_is_not_read_around(new_shop: Callable[[], Shop], caplog: pytest.LogCaptureFixture) -> None:
    """The log has all rows, a complete read only those that the role may see: the table would be a mixture."""
    shop = new_shop()
    secured = ("create table shop.secured (id int primary key)", "alter table shop.secured enable row level security")
    with following(shop, *ITEMS):
        shop.execute(*secured)
        methods = {each["stream"]: each["replication_method"] for each in catalog(shop)["streams"]}
        assert methods["items"] == "LOG_BASED"
        assert methods.get("secured") != "LOG_BASED"
        assert "shop.secured does not follow the log, it is read as if unpublished: row security" in caplog.text
