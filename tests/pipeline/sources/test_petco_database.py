"""The generator and the live writer on a real PostgreSQL."""

import json
import signal
import subprocess
import sys
from datetime import datetime

import pytest

from tests.pipeline.sources.conftest import Shop

TABLES = ("customers", "products", "stores", "orders", "order_items")
SEED = ("seed", "--scale", "0.01", "--seed", "7", "--anchor", "2026-06-01")


@pytest.fixture(scope="module", autouse=True)
def seeded(shop: Shop) -> None:
    done = shop.init("--reader", "headwater_reader:shop", "shop")
    assert done.returncode == 0, done.stderr
    made = shop.petco(*SEED)
    assert made.returncode == 0, made.stderr


def counts(shop: Shop, since: datetime | None = None) -> dict[str, int]:
    """Rows of each table, or those changed after a moment, as the platform's own account sees them."""
    with shop.connect("headwater_reader") as connection:
        return {
            table: connection.execute(
                f"SELECT count(*) FROM shop.{table} WHERE updated_at > coalesce(%s, '-infinity'::timestamptz)", (since,)
            ).fetchone()[0]
            for table in TABLES
        }


def now(shop: Shop) -> datetime:
    with shop.connect("headwater_reader") as connection:
        return connection.execute("SELECT clock_timestamp()").fetchone()[0]


def test_a_second_seed_changes_nothing(shop: Shop) -> None:
    before = counts(shop)
    again = shop.petco(*SEED)
    assert again.returncode == 0
    assert "nothing to do" in again.stdout
    # Without an anchor it keeps the one there, also on another day.
    assert "nothing to do" in shop.petco(*SEED[:-2]).stdout
    assert counts(shop) == before == {**before, "customers": 200, "products": 20, "stores": 30, "orders": 10_000}


def test_another_shop_is_not_overwritten_by_accident(shop: Shop) -> None:
    before = counts(shop)
    other = shop.petco("seed", "--scale", "0.02")
    assert other.returncode == 1
    assert "--replace" in other.stderr
    assert counts(shop) == before


def test_every_column_is_described(shop: Shop) -> None:
    with shop.connect("headwater_reader") as connection:
        bare = connection.execute(
            """SELECT attrelid::regclass::text, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
               WHERE relnamespace = 'shop'::regnamespace AND relkind = 'r' AND attnum > 0
               AND col_description(attrelid, attnum) IS NULL"""
        ).fetchall()
    assert bare == []


def test_change_writes_exactly_what_it_reports(shop: Shop) -> None:
    before, since = counts(shop), now(shop)
    done = shop.petco("change", "--new", "100", "--changed", "50", "--repriced", "2")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    after, touched = counts(shop), counts(shop, since)
    assert (report["orders_inserted"], report["orders_updated"], report["products_updated"]) == (100, 50, 2)
    for table in TABLES:
        assert after[table] - before[table] == report.get(f"{table}_inserted", 0), table
        assert touched[table] == report.get(f"{table}_inserted", 0) + report.get(f"{table}_updated", 0), table


def test_a_change_that_is_not_possible_writes_nothing(shop: Shop) -> None:
    since = now(shop)
    failed = shop.petco("change", "--new", "10", "--changed", "100000")
    assert failed.returncode == 1
    assert "orders are to change" in failed.stderr
    assert sum(counts(shop, since).values()) == 0


def test_changed_orders_stay_consistent(shop: Shop) -> None:
    assert shop.petco("change", "--changed", "300").returncode == 0
    with shop.connect("headwater_reader") as connection:
        wrong = connection.execute(
            """SELECT order_id, status FROM shop.orders JOIN shop.order_items USING (order_id)
               GROUP BY order_id, status HAVING (status = 'returned') <> bool_or(returned_quantity > 0)"""
        ).fetchall()
    assert wrong == []


def test_live_stops_after_its_orders(shop: Shop) -> None:
    done = shop.petco("live", "--rate", "200", "--orders", "60")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert (report["orders_inserted"], report["orders_updated"]) == (60, 30)


def test_live_ends_cleanly_when_told_to(shop: Shop) -> None:
    before = counts(shop)
    writer = subprocess.Popen(
        [sys.executable, "-m", "petco", "live", "--rate", "40"],
        env=shop.petco_environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    assert "new orders" in writer.stdout.readline()
    writer.send_signal(signal.SIGTERM)
    output, _ = writer.communicate(timeout=30)
    report = json.loads(output.splitlines()[-1])
    assert writer.returncode == 0
    assert counts(shop)["orders"] - before["orders"] == report["orders_inserted"] > 0
