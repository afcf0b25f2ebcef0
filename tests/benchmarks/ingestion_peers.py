"""What the benchmark of ingestion runs in other environments than its own: the peers, and the check of the result."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

COLUMNS = "id,created_at,updated_at,customer_id,product_id,store_id,qty,price,status,city,email,is_gift"


LAKE = {
    key.removeprefix("PYICEBERG_CATALOG__LAKE__"): value
    for key, value in os.environ.items()
    if key.startswith("PYICEBERG_CATALOG__LAKE__")
}


def duckdb_engine(*extensions: str, source: bool = True) -> Any:
    """Return a connection with the extensions of the installed packages, and the source attached if it is wanted."""
    import duckdb

    connection = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
    for name in (*extensions, *(["postgres_scanner"] if source else [])):
        package = importlib.import_module(f"duckdb_extension_{name}")
        (extension,) = Path(next(iter(package.__path__))).glob("extensions/v*/*.duckdb_extension")
        connection.load_extension(str(extension))
    if source:
        connection.execute(f"attach '{os.environ['URI']}' as source (type postgres, read_only)")
    return connection


def duckdb_to_parquet(path: str) -> None:
    """DuckDB's own shortest way: the scan written as one zstd Parquet file."""
    duckdb_engine().execute(f"copy source.bench.orders to '{path}' (format parquet, compression zstd)")


def duckdb_with_lake(*, source: bool = True) -> Any:
    """Return a connection that has the lake attached as `ice`, and the source if it is wanted."""
    connection = duckdb_engine("httpfs", "avro", "iceberg", source=source)
    endpoint = LAKE["S3__ENDPOINT"].removeprefix("http://")
    connection.execute(
        f"create secret s (type s3, key_id '{LAKE['S3__ACCESS_KEY_ID']}', secret '{LAKE['S3__SECRET_ACCESS_KEY']}',"
        f" endpoint '{endpoint}', url_style 'path', use_ssl false, region '{LAKE['S3__REGION']}')"
    )
    connection.execute(f"create secret c (type iceberg, token '{LAKE['TOKEN']}')")
    connection.execute(
        f"attach '' as ice (type iceberg, endpoint '{LAKE['URI']}', secret c, access_delegation_mode 'none')"
    )
    return connection


def duckdb_to_iceberg() -> None:
    """DuckDB's postgres and iceberg extensions: create table as select."""
    connection = duckdb_with_lake()
    connection.execute("create schema if not exists ice.duck")
    connection.execute("drop table if exists ice.duck.orders")
    connection.execute("create table ice.duck.orders as select * from source.bench.orders")


def duckdb_merge() -> None:
    """DuckDB's MERGE of what was changed since the newest row that the table has."""
    connection = duckdb_with_lake()
    connection.execute(
        "create temp table changed as select * from source.bench.orders"
        " where updated_at > (select max(updated_at) from ice.duck.orders)"
    )
    connection.execute(
        "merge into ice.duck.orders t using changed c on t.id = c.id"
        " when matched then update when not matched then insert"
    )


def dlt_to_iceberg(backend: str, folder: str) -> None:
    """dlt's sql_database source, replacing an Iceberg table of its filesystem destination."""
    os.environ |= {
        "DLT_DATA_DIR": folder, "DLT_PROJECT_DIR": folder, "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "WARNING", "ICEBERG_CATALOG__ICEBERG_CATALOG_TYPE": "rest",
        "ICEBERG_CATALOG__ICEBERG_CATALOG_CONFIG": json.dumps(
            {
                "type": "rest", "uri": LAKE["URI"], "token": LAKE["TOKEN"], "warehouse": LAKE["WAREHOUSE"],
                **{
                    name.lower().replace("__", ".").replace("_", "-"): value
                    for name, value in LAKE.items() if name.startswith("S3__")
                },
            }
        ),
        "DESTINATION__FILESYSTEM__BUCKET_URL": LAKE["WAREHOUSE"] + "/dlt",
        "DESTINATION__FILESYSTEM__CREDENTIALS__AWS_ACCESS_KEY_ID": LAKE["S3__ACCESS_KEY_ID"],
        "DESTINATION__FILESYSTEM__CREDENTIALS__AWS_SECRET_ACCESS_KEY": LAKE["S3__SECRET_ACCESS_KEY"],
        "DESTINATION__FILESYSTEM__CREDENTIALS__ENDPOINT_URL": LAKE["S3__ENDPOINT"],
        "DESTINATION__FILESYSTEM__CREDENTIALS__REGION_NAME": LAKE["S3__REGION"],
    }  # fmt: skip
    import dlt
    from dlt.destinations import filesystem
    from dlt.sources.sql_database import sql_table

    uri = os.environ["URI"]
    options = {"backend_kwargs": {"conn": uri}} if backend == "connectorx" else {}
    table = sql_table(
        credentials=uri.replace("postgresql://", "postgresql+psycopg2://"), schema="bench", table="orders",
        backend=backend, chunk_size=100_000, reflection_level="full_with_precision", **options,
    )  # fmt: skip
    table.apply_hints(write_disposition="replace", table_format="iceberg", table_name="orders")
    dlt.pipeline(
        pipeline_name=f"bench_{backend}", destination=filesystem(), dataset_name=f"dlt_{backend}", pipelines_dir=folder
    ).run(table)


def sling_to_iceberg(program: str) -> None:
    """sling's full refresh."""
    os.environ |= {
        "PG": os.environ["URI"] + "?sslmode=disable",
        "ICE": json.dumps(
            {
                "type": "iceberg", "catalog_type": "rest", "rest_uri": LAKE["URI"], "rest_token": LAKE["TOKEN"],
                "rest_warehouse": LAKE["WAREHOUSE"], "warehouse": LAKE["WAREHOUSE"],
                "s3_endpoint": LAKE["S3__ENDPOINT"], "s3_region": LAKE["S3__REGION"],
                "s3_access_key_id": LAKE["S3__ACCESS_KEY_ID"], "s3_secret_access_key": LAKE["S3__SECRET_ACCESS_KEY"],
            }
        ),
        "SLING_DISABLE_TELEMETRY": "TRUE", "AWS_REGION": LAKE["S3__REGION"],
        "AWS_ACCESS_KEY_ID": LAKE["S3__ACCESS_KEY_ID"], "AWS_SECRET_ACCESS_KEY": LAKE["S3__SECRET_ACCESS_KEY"],
        "AWS_ENDPOINT_URL_S3": LAKE["S3__ENDPOINT"], "NO_COLOR": "1",
    }  # fmt: skip
    command = [program, "run", "--src-conn", "PG", "--src-stream", "bench.orders", "--tgt-conn", "ICE"]
    os.execv(program, [*command, "--tgt-object", "sling.orders", "--mode", "full-refresh"])


def adbc_rows(condition: str = "true") -> Any:
    """Return rows of the source as an Arrow table."""
    import adbc_driver_postgresql.dbapi as adbc
    import pyarrow as pa

    with adbc.connect(os.environ["URI"]) as connection, connection.cursor() as cursor:
        cursor.execute(f"select {COLUMNS} from bench.orders where {condition}")
        rows = cursor.fetch_arrow_table()
    price = rows.schema.get_field_index("price")
    column = rows["price"]
    if isinstance(column.type, pa.ExtensionType):
        column = pa.chunked_array([chunk.storage for chunk in column.chunks])
    return rows.set_column(price, "price", column.cast(pa.decimal128(12, 2)))


def adbc_to_pyiceberg() -> None:
    """One process: ADBC reads, pyiceberg appends the whole table."""
    from pyiceberg.catalog import load_catalog
    from pyiceberg.exceptions import NoSuchTableError

    rows = adbc_rows()
    catalog = load_catalog("lake")
    catalog.create_namespace_if_not_exists("adbc")
    with contextlib.suppress(NoSuchTableError):
        catalog.drop_table("adbc.orders")
    catalog.create_table("adbc.orders", schema=rows.schema).append(rows)


def pyiceberg_upsert() -> None:
    """pyiceberg's upsert of what was changed since the newest row that the table has."""
    import pyarrow.compute as pc
    from pyiceberg.catalog import load_catalog

    table = load_catalog("lake").load_table("adbc.orders")
    newest = pc.max(table.scan(selected_fields=("updated_at",)).to_arrow()["updated_at"]).as_py()
    changed = adbc_rows(f"updated_at > '{newest.isoformat()}'")
    table.upsert(changed.cast(table.schema().as_arrow()), join_cols=["id"])


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
        case ["iceberg"]:
            duckdb_to_iceberg()
        case ["merge"]:
            duckdb_merge()
        case ["dlt", backend, folder]:
            dlt_to_iceberg(backend, folder)
        case ["sling", program]:
            sling_to_iceberg(program)
        case ["adbc"]:
            adbc_to_pyiceberg()
        case ["upsert"]:
            pyiceberg_upsert()
        case ["check", rows]:
            check(int(rows))
