"""What the benchmark of ingestion runs in other environments than its own: the peers, and the check of the result."""

from __future__ import annotations

import contextlib
import os
import sys
from decimal import Decimal
from pathlib import Path

COLUMNS = "id,created_at,updated_at,customer_id,product_id,store_id,qty,price,status,city,email,is_gift"


def duckdb_to_parquet(path: str) -> None:
    """DuckDB's own shortest way: the scan written as one zstd Parquet file."""
    import duckdb
    import duckdb_extension_postgres_scanner as package

    connection = duckdb.connect(config={"threads": "1"})
    (extension,) = Path(next(iter(package.__path__))).glob("extensions/v*/*.duckdb_extension")
    connection.load_extension(str(extension))
    connection.execute(f"attach '{os.environ['URI']}' as source (type postgres, read_only)")
    connection.execute(f"copy source.bench.orders to '{path}' (format parquet, compression zstd)")


def adbc_to_pyiceberg() -> None:
    """One process: ADBC reads, pyiceberg appends the whole table."""
    import adbc_driver_postgresql.dbapi as adbc
    import pyarrow as pa
    from pyiceberg.catalog import load_catalog
    from pyiceberg.exceptions import NoSuchTableError

    with adbc.connect(os.environ["URI"]) as connection, connection.cursor() as cursor:
        cursor.execute(f"select {COLUMNS} from bench.orders")
        rows = cursor.fetch_arrow_table()
    price = rows.schema.get_field_index("price")
    column = rows["price"]
    if isinstance(column.type, pa.ExtensionType):
        column = pa.chunked_array([chunk.storage for chunk in column.chunks])
    rows = rows.set_column(price, "price", column.cast(pa.decimal128(12, 2)))
    catalog = load_catalog("lake")
    catalog.create_namespace_if_not_exists("adbc")
    with contextlib.suppress(NoSuchTableError):
        catalog.drop_table("adbc.orders")
    catalog.create_table("adbc.orders", schema=rows.schema).append(rows)


def check(rows: int) -> None:
    """Raise unless Headwater's tables hold the rows in their types, NOT NULL included."""
    from pyiceberg.catalog import load_catalog

    for namespace in ("pipe", "meltano"):
        table = load_catalog("lake").load_table((namespace, "orders"))
        found = table.scan(selected_fields=("id", "price")).to_arrow()
        ids = found["id"].unique()
        schema = table.schema()
        assert (len(found), len(ids)) == (rows, rows), f"{namespace}: {len(found)} rows, {len(ids)} ids"
        assert str(schema.find_field("price").field_type) == "decimal(12, 2)"
        assert schema.find_field("price").required
        assert not schema.find_field("city").required
        assert sum(found["price"].slice(0, 1000).to_pylist(), Decimal()) > 0


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["duckdb", path]:
            duckdb_to_parquet(path)
        case ["adbc"]:
            adbc_to_pyiceberg()
        case ["check", rows]:
            check(int(rows))
