"""Fills an empty shop database, once."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib import resources

from petco import database, shop
from petco.database import Connection

IDENTITIES = {
    "customers": "customer_id",
    "products": "product_id",
    "orders": "order_id",
    "order_items": "order_item_id",
}
_LOCK = 0x70657463
"""Key of the advisory lock that lets one seed run at a time: "petc"."""


class SeedConflictError(RuntimeError):
    """The database holds a shop made with other settings."""


@dataclass(frozen=True)
class Seeded:
    """What the control table says about the shop in the database."""

    recipe: shop.Recipe
    generator_version: int


def seeded(connection: Connection) -> Seeded | None:
    """What the shop in the database was made from, or None for a database without one."""
    row = connection.execute("SELECT to_regclass('petco_meta.seed')").fetchone()
    if row is None or row[0] is None:
        return None
    found = connection.execute("SELECT scale, seed, anchor, generator_version FROM petco_meta.seed").fetchone()
    if found is None:
        return None
    scale, number, anchor, version = found
    if not isinstance(anchor, date):
        raise TypeError(f"petco_meta.seed.anchor is {anchor!r}, not a date")
    return Seeded(shop.Recipe(float(str(scale)), int(str(number)), anchor), int(str(version)))


def seed(
    connection: Connection,
    scale: float,
    number: int,
    *,
    anchor: date | None,
    replace: bool,
    report: Callable[[str], None],
) -> bool:
    """Makes the shop in one transaction; returns False when the same one is there already.

    `anchor` is the day the two years end; None keeps that of a shop already there and means today (UTC) for a new one.
    Raises SeedConflictError when a different shop is there and `replace` is not set.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        present = seeded(connection)
        if anchor is None:
            anchor = datetime.now(UTC).date() if present is None or replace else present.recipe.anchor
        recipe = shop.Recipe(scale, number, anchor)
        if present == Seeded(recipe, shop.GENERATOR_VERSION):
            report(f"nothing to do: scale {scale:g}, seed {number}, two years to {anchor} are there")
            return False
        if present is not None and not replace:
            raise SeedConflictError(
                f"the database holds {present}; run seed with --replace to make {recipe} instead, its changes are lost"
            )
        _create(connection, recipe, report)
    with connection.cursor() as cursor:
        # Statistics and visibility map; VACUUM can't run in a transaction.
        connection.commit()
        connection.autocommit = True
        cursor.execute("VACUUM (ANALYZE) shop.customers, shop.products, shop.stores, shop.orders, shop.order_items")
        connection.autocommit = False
    return True


def _create(connection: Connection, recipe: shop.Recipe, report: Callable[[str], None]) -> None:
    started = time.monotonic()
    connection.execute("DROP SCHEMA IF EXISTS shop CASCADE")
    connection.execute("SET LOCAL maintenance_work_mem = '96MB'")
    connection.execute(_script("schema.sql"))
    tables = shop.generate(recipe)
    report(f"generated {sum(table.num_rows for table in tables.values()):,} rows in {time.monotonic() - started:.1f} s")
    for name, table in tables.items():
        begun = time.monotonic()
        database.copy(connection, "shop", name, table, freeze=True)
        report(f"loaded {name}: {table.num_rows:,} rows in {time.monotonic() - begun:.1f} s")
    begun = time.monotonic()
    connection.execute(_script("indexes.sql"))
    for name, column in IDENTITIES.items():
        # The names are constants of this module.
        connection.execute(
            f"SELECT setval(pg_get_serial_sequence('shop.{name}', '{column}'), max({column})) FROM shop.{name}"  # noqa: S608
        )
    report(f"built constraints and indexes in {time.monotonic() - begun:.1f} s")
    connection.execute(_script("control.sql"))
    connection.execute("DELETE FROM petco_meta.seed")
    connection.execute(
        "INSERT INTO petco_meta.seed (scale, seed, anchor, generator_version) VALUES (%s, %s, %s, %s)",
        (recipe.scale, recipe.seed, recipe.anchor, shop.GENERATOR_VERSION),
    )


def _script(name: str) -> bytes:
    return resources.files("petco").joinpath(name).read_bytes()
