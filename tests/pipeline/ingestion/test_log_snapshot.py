"""Which changes of the log are new: no commit is lost that a complete read does not see, whatever it waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg
import pytest
from conftest import Shop
from following import PUBLICATION, Waiting, drop_slots, follow, following, lake, merged, source, until
from tap_postgres_arrow.log_position import LogPosition, Shape, Visible, position_from_state

ITEMS = "create table shop.items (id int primary key, v text)"
FIVE = "insert into shop.items select i, 'a' from generate_series(1, 5) i"


def local(shop: Shop) -> psycopg.Connection:
    """A session whose own commits wait for nobody."""
    connection = shop.connect()
    connection.execute("set synchronous_commit = local")
    return connection


def test_a_commit_that_waits_for_a_standby_is_not_lost(new_shop: Callable[[], Shop]) -> None:
    """A table is read in full while a commit is in the log, and not yet visible: its rows would never come."""
    shop = new_shop()
    merged(shop, "items", "id")
    merged(shop, "late", "id")
    with following(shop, ITEMS, FIVE):
        shop.execute(
            "create table shop.late (id int primary key, v text)",
            "insert into shop.late select i, 'a' from generate_series(1, 5) i",
        )
        with Waiting(shop) as waiting:
            waiting.begin(
                "one", "insert into shop.late values (6, 'waits')", "update shop.late set v = 'b' where id = 1"
            )
            follow(shop)
            assert [row[0] for row in lake(shop, "late", "id")] == [1, 2, 3, 4, 5]
            with local(shop) as connection:
                connection.execute("update shop.items set v = 'after it'")
            follow(shop)
            follow(shop)
        shop.execute("insert into shop.late values (7, 'later')")
        follow(shop)
        assert lake(shop, "late", "id", "v") == source(shop, "late", "id", "v")
        assert lake(shop, "items", "id", "v") == source(shop, "items", "id", "v")


def test_a_waiting_commit_of_savepoints_is_not_lost(new_shop: Callable[[], Shop]) -> None:
    """Savepoints have transaction ids of their own, and no snapshot lists them."""
    shop = new_shop()
    merged(shop, "late", "id")
    with following(shop, ITEMS, FIVE):
        shop.execute("create table shop.late (id int primary key, v text)", "insert into shop.late values (1, 'a')")
        with Waiting(shop) as waiting:
            waiting.begin(
                "one", "savepoint one", "insert into shop.late values (2, 'b')", "savepoint two",
                "insert into shop.late values (3, 'c')", "rollback to two", "insert into shop.late values (4, 'd')",
            )  # fmt: skip
            follow(shop)
        follow(shop)
        assert lake(shop, "late", "id", "v") == [(1, "a"), (2, "b"), (4, "d")]


def test_a_row_written_twice_by_a_waiting_commit_keeps_its_large_value(new_shop: Callable[[], Shop]) -> None:
    """The update does not repeat the value, and the table does not show the row yet: it became null."""
    shop = new_shop()
    merged(shop, "items", "id")
    with following(shop, ITEMS, "alter table shop.items alter column v set storage external, add column n int", FIVE):
        with Waiting(shop) as waiting:
            waiting.begin(
                "one",
                "insert into shop.items values (6, repeat('x', 9000))",
                "update shop.items set n = 1 where id = 6",
            )
            follow(shop)
        follow(shop)
        assert lake(shop, "items", "id", "v") == source(shop, "items", "id", "v")


def test_a_large_value_moved_while_the_commit_waits_is_that_of_its_row(new_shop: Callable[[], Shop]) -> None:
    """Two rows swap keys: the table still shows each value under the other row's key."""
    shop = new_shop()
    merged(shop, "items", "id")
    values = "insert into shop.items select i, repeat(i::text, 9000) from generate_series(1, 2) i"
    with following(shop, ITEMS, "alter table shop.items alter column v set storage external", values):
        with Waiting(shop) as waiting:
            waiting.begin(
                "one", *[f"update shop.items set id = {b} where id = {a}" for a, b in ((1, 3), (2, 1), (3, 2))]
            )
            follow(shop)
        follow(shop)
        assert lake(shop, "items", "id", "v") == source(shop, "items", "id", "v")


def test_a_commit_that_waits_while_the_slot_is_made_is_not_lost(new_shop: Callable[[], Shop]) -> None:
    """What was committed before the slot begins is not in it: if nobody saw it yet, the first read lacks it, too."""
    shop = new_shop()
    merged(shop, "items", "id")
    shop.slot = "hw_s_making"
    shop.execute(ITEMS, FIVE, PUBLICATION, "alter role reader replication")

    def waited_for() -> set[int]:
        """Transactions that the server's own part of making the slot waits for."""
        query = "select transactionid::text::bigint from pg_locks where locktype = 'transactionid' and not granted"
        with shop.connect() as connection:
            return {row[0] for row in connection.execute(query)}

    def is_made() -> bool:
        query = "select 1 from pg_replication_slots where slot_name like 'hw_s_making%' and confirmed_flush_lsn > '0/0'"
        with shop.connect() as connection:
            return connection.execute(query).fetchone() is not None

    run = threading.Thread(target=follow, args=[shop])
    try:
        with Waiting(shop) as waiting:
            waiting.begin("first", "insert into shop.items values (6, 'b')")
            run.start()
            until(lambda: bool(waited_for()))
            first = waited_for()
            waiting.begin("second", "insert into shop.items values (7, 'c')")
            waiting.end("first")
            until(lambda: bool(waited_for() - first))
            waiting.begin("third", "insert into shop.items values (8, 'd')")
            waiting.end("second")
            until(is_made)
            # A run that goes on now has no row 8, neither in its snapshot nor in its slot.
            until(lambda: not run.is_alive() or "draft" in drafts(shop))
        run.join()
        follow(shop)
        assert lake(shop, "items", "id", "v") == source(shop, "items", "id", "v")
    finally:
        drop_slots(shop)


def drafts(shop: Shop) -> str:
    with shop.connect() as connection:
        rows = connection.execute("select slot_name from pg_replication_slots where slot_name like 'hw_s_making%'")
        return " ".join(row[0] for row in rows)


def test_a_table_added_while_it_is_written_to_is_complete(new_shop: Callable[[], Shop]) -> None:
    """The log lacks what a transaction wrote before the table was published, and the first read does not see it."""
    shop = new_shop()
    merged(shop, "late", "id")
    with following(shop, ITEMS, FIVE, publication="create publication headwater for table shop.items"):
        shop.execute("create table shop.late (id int primary key, v text)", "insert into shop.late values (1, 'a')")
        run = threading.Thread(target=follow, args=[shop])
        with shop.connect() as writer, writer.transaction():
            writer.execute("insert into shop.late values (2, 'b')")
            shop.execute("alter publication headwater add table shop.late")
            run.start()
            until(lambda: not run.is_alive() or settles(shop))
            assert run.is_alive(), "it did not wait"
            writer.execute("insert into shop.late values (3, 'c')")
        run.join()
        shop.execute("update shop.late set v = v || '+' where id = 1")
        follow(shop)
        assert lake(shop, "late", "id", "v") == source(shop, "late", "id", "v")


def settles(shop: Shop) -> bool:
    """Whether a run looks at who writes."""
    query = "select 1 from pg_stat_activity where datname = %s and query like '%%pg_publication_rel r%%' and pid <> %s"
    with shop.connect() as connection:
        return connection.execute(query, [shop.database, connection.info.backend_pid]).fetchone() is not None


def test_newer_rows_have_greater_positions(new_shop: Callable[[], Shop]) -> None:
    """History is ordered by `_sdc_lsn`: a change that waited stands before the complete read in the log, not in it."""
    shop = new_shop()
    with following(shop, ITEMS):
        shop.execute("create table shop.late (id int primary key, v text)", "insert into shop.late values (1, 'a')")
        with Waiting(shop) as waiting:
            waiting.begin("one", "update shop.late set v = 'b'")
            follow(shop)
        follow(shop)
        rows = sorted(lake(shop, "late", "_sdc_lsn", "v"))
        assert [v for _, v in rows] == ["a", "b"]
        assert rows[0][0] < rows[1][0]


@pytest.mark.parametrize("change", [{"timeline": "00000002"}, {"system": "7"}, {"replication_key_value": 1 << 60}])
def test_another_history_of_the_source_is_read_in_full(new_shop: Callable[[], Shop], change: dict[str, object]) -> None:
    """A standby that lagged is promoted: it lacks what the lake has of the old primary, and the log can't say so."""
    shop = new_shop()
    merged(shop, "items", "id")
    with following(shop, ITEMS, FIVE):
        shop.execute("update shop.items set v = 'b' where id = 1")
        follow(shop)
        bookmark = shop.state["bookmarks"]["items"]
        assert set(change) <= set(bookmark)
        bookmark.update(change)
        announced = shop.extract(publication="headwater", slot=shop.slot)
        assert [each["stream"] for each in announced if each["type"] == "ACTIVATE_VERSION"] == ["items"]
        follow(shop)
        assert lake(shop, "items", "id", "v") == source(shop, "items", "id", "v")


def test_a_role_that_may_not_ask_which_system_it_is_follows_the_log(new_shop: Callable[[], Shop]) -> None:
    """PostgreSQL refuses a function in FROM also in a branch that is not taken: nothing could be read at all."""
    shop = new_shop()
    merged(shop, "items", "id")
    shop.execute("revoke execute on function pg_control_system() from public")
    with following(shop, ITEMS, FIVE):
        shop.execute("update shop.items set v = 'b' where id = 1")
        follow(shop)
        assert shop.state["bookmarks"]["items"]["system"] is None
        assert lake(shop, "items", "id", "v") == source(shop, "items", "id", "v")


def test_transaction_ids_of_the_log_are_told_apart_after_a_wrap() -> None:
    """The log has 32 bits of an id: compared as they are, a transaction after the wrap looks like an old one."""
    seen = Visible.parse(f"{(1 << 32) - 5}:{(1 << 32) + 10}:{(1 << 32) - 5},{(1 << 32) + 3}")
    assert seen.whole(7) == (1 << 32) + 7
    assert seen.whole((1 << 32) - 5) == (1 << 32) - 5
    assert seen.whole(12) == (1 << 32) + 12
    assert [seen.whole(number) in seen for number in (7, 3, (1 << 32) - 5, (1 << 32) - 6, 10)] == [
        True, False, False, True, False,
    ]  # fmt: skip


def test_bookmarks_are_read_back() -> None:
    """A bookmark without the snapshot, of a version before, must not be followed: what its read missed is unknown."""
    position = LogPosition("1", "00000001", "s_1", 5, "3:4:", Shape({"1": "id"}, {"16400": 16400}, "16390:740"))
    state = position.to_state()
    assert position_from_state(state) == position
    for name in ("timeline", "snapshot", "columns", "files", "published"):
        assert position_from_state({key: value for key, value in state.items() if key != name}) is None
