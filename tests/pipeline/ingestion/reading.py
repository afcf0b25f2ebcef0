"""Reads an Iceberg table with DuckDB: an engine of its own, which knows equality deletes. pyiceberg does not."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb
from pyiceberg.table import Table
from services import DIRECT

from tests import lake


def _extension(name: str) -> str:
    """Return the file of a DuckDB extension that a package carries."""
    spec = find_spec(f"duckdb_extension_{name}")
    assert spec is not None, f"these tests need duckdb-extension-{name} (requirements/test.in)"
    (folder,) = spec.submodule_search_locations or ()
    (found,) = Path(folder).glob(f"extensions/v{duckdb.__version__}/*.duckdb_extension")
    return str(found)


def open_store(connection: duckdb.DuckDBPyConnection) -> None:
    """Let a connection read the private object store."""
    connection.load_extension(_extension("httpfs"))
    connection.execute(
        "create secret (type s3, key_id $key, secret $secret, region $region, endpoint $endpoint,"
        " url_style 'path', use_ssl false)",
        {"key": lake.KEY, "secret": DIRECT.secret, "region": lake.REGION, "endpoint": f"127.0.0.1:{DIRECT.store}"},
    )


def connect() -> duckdb.DuckDBPyConnection:
    """Return a connection that reads Iceberg tables in local folders."""
    connection = duckdb.connect(
        config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false", "threads": "1"}
    )
    for name in ("avro", "iceberg"):  # the order of dependence
        connection.load_extension(_extension(name))
    connection.execute("set TimeZone = 'UTC'")
    return connection


def rows(table: Table, *columns: str, where: str = "true", order: str = "1") -> list[tuple[Any, ...]]:
    """Return columns of the live rows of a table in a local folder or in the private object store, sorted.

    `where` is a condition in SQL: the engine leaves out files and row groups whose statistics say that they hold none.
    """
    with connect() as connection:
        if table.metadata_location.startswith("s3:"):
            open_store(connection)
        source = table.metadata_location.removeprefix("file://").replace("'", "''")
        if table.current_snapshot() is None:
            return []
        names = ", ".join('"' + name.replace('"', '""') + '"' for name in columns)
        return connection.execute(
            f"select {names} from iceberg_scan('{source}') where {where} order by {order}"
        ).fetchall()
