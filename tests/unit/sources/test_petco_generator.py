"""The shop's rows: reproducible, consistent with one another, and shaped like a real shop's."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from petco import columns, shop, timeline
from petco.shop import Recipe
from petco.timeline import Timeline

ANCHOR = date(2026, 6, 1)
END = datetime(2026, 6, 1, tzinfo=UTC)
RECIPE = Recipe(0.05, 7, ANCHOR)


@pytest.fixture(scope="module")
def tables() -> dict[str, pa.Table]:
    return shop.generate(RECIPE)


def numbers(table: pa.Table, column: str) -> np.ndarray:
    return np.asarray(table[column].cast(pa.int64()).combine_chunks().to_numpy(zero_copy_only=False))


def moments(table: pa.Table, column: str) -> np.ndarray:
    return numbers(table, column)


def cents(table: pa.Table, column: str) -> np.ndarray:
    return np.asarray([int(value * 100) for value in table[column].to_pylist()])


def test_the_same_recipe_makes_the_same_rows(tables: dict[str, pa.Table]) -> None:
    assert shop.generate(RECIPE) == tables


@pytest.mark.parametrize("other", [Recipe(0.05, 8, ANCHOR), Recipe(0.05, 7, ANCHOR + timedelta(days=1))])
def test_another_seed_or_day_makes_other_rows(tables: dict[str, pa.Table], other: Recipe) -> None:
    made = shop.generate(other)
    assert all(made[name] != tables[name] for name in ("customers", "orders", "order_items"))


def test_scale_sets_the_number_of_rows(tables: dict[str, pa.Table]) -> None:
    assert {name: tables[name].num_rows for name in ("customers", "products", "stores", "orders")} == {
        "customers": 1_000,
        "products": 100,
        "stores": 30,
        "orders": 50_000,
    }
    assert 1.8 < tables["order_items"].num_rows / 50_000 < 1.95


@pytest.mark.parametrize(("scale", "seed"), [(0, 1), (-1, 1), (101, 1), (1, -1)])
def test_a_recipe_that_cannot_be_made_is_refused(scale: float, seed: int) -> None:
    with pytest.raises(ValueError, match="must"):
        Recipe(scale, seed, ANCHOR)


@pytest.mark.parametrize(
    ("table", "key", "target"),
    [
        ("orders", "customer_id", "customers"),
        ("orders", "store_id", "stores"),
        ("order_items", "order_id", "orders"),
        ("order_items", "product_id", "products"),
    ],
)
def test_every_reference_is_there(tables: dict[str, pa.Table], table: str, key: str, target: str) -> None:
    found = tables[table][key].drop_null()
    assert pc.min(found).as_py() >= 1
    assert pc.max(found).as_py() <= tables[target].num_rows


def test_keys_are_unique_and_ascend(tables: dict[str, pa.Table]) -> None:
    for name, key in (("orders", "order_id"), ("order_items", "order_item_id"), ("customers", "customer_id")):
        assert numbers(tables[name], key).tolist() == list(range(1, tables[name].num_rows + 1))


def test_only_orders_in_a_store_have_a_store(tables: dict[str, pa.Table]) -> None:
    orders = tables["orders"]
    assert pc.all(pc.equal(pc.is_valid(orders["store_id"]), pc.equal(orders["channel"], "store"))).as_py()


def test_nothing_happens_after_the_end_or_before_its_cause(tables: dict[str, pa.Table]) -> None:
    orders, items, customers = tables["orders"], tables["order_items"], tables["customers"]
    for name, table in tables.items():
        assert moments(table, "updated_at").max() < timeline.micros(END), name
    assert (moments(orders, "updated_at") >= moments(orders, "ordered_at")).all()
    created = moments(customers, "created_at")[numbers(orders, "customer_id") - 1]
    assert (created <= moments(orders, "ordered_at")).all()
    assert (moments(items, "updated_at") >= moments(orders, "ordered_at")[numbers(items, "order_id") - 1]).all()


def test_returns_are_of_whole_lines_of_returned_orders(tables: dict[str, pa.Table]) -> None:
    orders, items = tables["orders"], tables["order_items"]
    quantity, back = numbers(items, "quantity"), numbers(items, "returned_quantity")
    assert np.isin(back, [0]).any()
    assert ((back == 0) | (back == quantity)).all()
    with_return = np.unique(numbers(items, "order_id")[back > 0])
    returned = numbers(orders, "order_id")[np.asarray(pc.equal(orders["status"], "returned"))]
    assert with_return.tolist() == returned.tolist()


def test_a_discount_never_exceeds_its_line(tables: dict[str, pa.Table]) -> None:
    items = tables["order_items"]
    discount = cents(items, "discount_amount")
    assert (discount >= 0).all()
    assert (discount <= 0.31 * numbers(items, "quantity") * cents(items, "unit_price")).all()


def test_dirt_is_there_in_small_measure(tables: dict[str, pa.Table]) -> None:
    customers, orders = tables["customers"], tables["orders"]
    emails = [email.lower() for email in customers["email"].to_pylist() if email is not None]
    assert 0.01 < customers["email"].null_count / customers.num_rows < 0.06
    assert 1 <= len(emails) - len(set(emails)) < 0.03 * len(emails)
    countries = set(customers["country"].to_pylist())
    assert any(country != country.strip() for country in countries)
    assert any(country.isupper() for country in countries)
    # Numbers follow arrival, so a late order steps back in time.
    late = np.diff(moments(orders, "ordered_at")) < -12 * timeline.HOUR
    assert 0.001 < late.mean() < 0.01


def test_a_category_is_renamed_midway(tables: dict[str, pa.Table]) -> None:
    products = tables["products"].select(["category", "updated_at"]).to_pylist()
    renamed = datetime.fromtimestamp(Timeline(ANCHOR).renamed / 1e6, UTC)
    old = [row for row in products if row["category"] == "Chew toys"]
    new = [row for row in products if row["category"] == "Chews"]
    assert old
    assert new
    assert all(row["updated_at"] < renamed for row in old)
    assert all(row["updated_at"] >= renamed for row in new)


def test_the_head_sells_most(tables: dict[str, pa.Table]) -> None:
    items = tables["order_items"]
    sold = np.sort(np.bincount(numbers(items, "product_id"), weights=numbers(items, "quantity")))[::-1]
    assert 0.6 < sold[:20].sum() / sold.sum() < 0.9


def test_demand_grows_and_has_seasons() -> None:
    weight = timeline.demand(Timeline(date(2026, 1, 1)))
    days = [date(2026, 1, 1) - timedelta(days=730 - index) for index in range(730)]
    by_day = dict(zip(days, weight, strict=True))
    december = np.mean([by_day[date(2025, 12, day)] for day in range(5, 19)])
    july = np.mean([by_day[date(2025, 7, day)] for day in range(1, 29)])
    assert weight.sum() == pytest.approx(1)
    assert december > 2 * july
    assert july > 1.5 * np.mean([by_day[date(2024, 7, day)] for day in range(1, 29)])
    # One whole week: Saturday above Wednesday.
    assert by_day[date(2025, 7, 12)] > 1.2 * by_day[date(2025, 7, 9)]


def test_the_app_gains_on_the_stores(tables: dict[str, pa.Table]) -> None:
    channel = np.asarray(tables["orders"]["channel"].to_pylist())
    early, recent = channel[:8_000], channel[-8_000:]
    assert (recent == "app").mean() > 2 * (early == "app").mean()
    assert (recent == "store").mean() < 0.8 * (early == "store").mean()


@pytest.mark.parametrize("amount", [0, 1, -1, 99, -12345, 10**11])
def test_money_keeps_every_cent(amount: int) -> None:
    assert columns.money(np.array([amount])).to_pylist() == [Decimal(amount) / 100]
