"""One read-only connection to the source, in one snapshot for all streams of a run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa

from tap_postgres_arrow.boundary import Snapshot
from tap_postgres_arrow.columns import Column, arrow_schema, conform, quoted

READ_BYTES = 16 << 20
"""Size of the driver's record batches: memory per column set, not per table."""

_SNAPSHOT_SQL = """
select pg_snapshot_xmin(s.current)::text::bigint, pg_snapshot_xmax(s.current)::text::bigint, transaction_timestamp(),
       case when has_function_privilege('pg_control_system()', 'execute')
            then (select system_identifier::text from pg_control_system()) end
from (select pg_current_snapshot() as current) s
"""

# Domains are followed to their base type. Constraint i.indisprimary gives the key in its own column order.
_COLUMNS_SQL = """
with recursive base(oid, root, typmod) as (
  select t.oid, t.oid, -1 from pg_type t where t.typtype <> 'd'
  union all
  select d.oid, b.root, case when d.typtypmod >= 0 then d.typtypmod else b.typmod end
  from pg_type d join base b on d.typbasetype = b.oid where d.typtype = 'd'
)
select c.relname::text, a.attname::text, t.typname::text, a.attnotnull,
       case when a.atttypmod >= 0 then a.atttypmod else b.typmod end,
       coalesce(array_position(i.indkey::int2[], a.attnum), -1)::int
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join base b on b.oid = a.atttypid
join pg_type t on t.oid = b.root
left join pg_index i on i.indrelid = c.oid and i.indisprimary
where n.nspname = $1 and c.relkind in ('r', 'p') and not c.relispartition
  and has_table_privilege(c.oid, 'select')
order by c.relname, a.attnum
"""

_NUMERIC_HEADER = 4


class SourceError(RuntimeError):
    """The source could not be reached or read."""


@dataclass(frozen=True)
class Table:
    """A table of the source: columns in their own order, primary key in the key's order."""

    schema: str
    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]

    @property
    def relation(self) -> str:
        """Schema-qualified name, for people."""
        return f"{self.schema}.{self.name}"


def connection_uri(config: Mapping[str, Any]) -> str:
    """Return the libpq URI of the tap's settings; every part is percent-encoded."""
    user, password = (quote(str(config[key]), safe="") for key in ("user", "password"))
    host, database = quote(str(config["host"]), safe=""), quote(str(config["database"]), safe="")
    return (
        f"postgresql://{user}:{password}@{host}:{int(config['port'])}/{database}"
        f"?application_name=headwater-ingestion&connect_timeout=15&sslmode={quote(str(config['sslmode']), safe='')}"
    )


def numeric_limits(typmod: int) -> tuple[int | None, int | None]:
    """Return precision and scale of a numeric typmod; (None, None) if it declares none. Source: numeric.c."""
    if typmod < _NUMERIC_HEADER:
        return None, None
    packed = typmod - _NUMERIC_HEADER
    scale = packed & 0x7FF  # 11 bits, signed
    return (packed >> 16) & 0xFFFF, (scale ^ 1024) - 1024


class Source:
    """A connection in a read-only, repeatable-read transaction. Close it after the run."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Connect and take the snapshot; SourceError says which server did not answer, without the password."""
        place = f"{config['host']}:{config['port']}/{config['database']} as {config['user']}"
        try:
            self._connection = adbc.connect(connection_uri(config))
            with self._connection.cursor() as cursor:
                cursor.execute("set transaction isolation level repeatable read, read only")
                cursor.execute(_SNAPSHOT_SQL)
                row = cursor.fetchone()
        except adbc.Error as error:
            raise SourceError(f"PostgreSQL at {place}: {error}") from error
        if row is None:
            raise SourceError(f"PostgreSQL at {place}: no answer to the snapshot query")
        xmin, xmax, taken_at, system = row
        self.snapshot = Snapshot(system, xmin, xmax, taken_at.astimezone(dt.UTC))

    def close(self) -> None:
        """End the transaction and the connection."""
        self._connection.close()

    def tables(self, schema: str) -> tuple[Table, ...]:
        """Return the tables of `schema` that the user may read, by name."""
        with self._connection.cursor() as cursor:
            cursor.execute(_COLUMNS_SQL, parameters=[schema])
            rows = cursor.fetchall()
        columns: dict[str, list[Column]] = {}
        keys: dict[str, list[tuple[int, str]]] = {}
        for table, name, base_type, not_null, typmod, key_position in rows:
            limits = numeric_limits(typmod) if base_type == "numeric" else (None, None)
            columns.setdefault(table, []).append(Column(name, base_type, not not_null, *limits))
            if key_position >= 0:
                keys.setdefault(table, []).append((key_position, name))
        return tuple(
            Table(schema, table, tuple(found), tuple(name for _, name in sorted(keys.get(table, []))))
            for table, found in columns.items()
        )

    def read(self, table: Table, columns: tuple[Column, ...], condition: str | None) -> Iterator[pa.RecordBatch]:
        """Yield the table's rows in batches of about READ_BYTES, typed as `arrow_schema(columns)`.

        `condition` is a SQL condition or None for all rows. Raises SourceError when the source fails midway and
        UnrepresentableValueError when a value does not fit its type.
        """
        schema = arrow_schema(columns)
        # Identifiers are quoted; the condition comes from boundary.py, whose literals are typed values.
        items = ", ".join(column.expression for column in columns)
        query = f"select {items} from {quoted(table.schema)}.{quoted(table.name)}"  # noqa: S608
        if condition is not None:
            query += f" where {condition}"
        try:
            with self._connection.cursor() as cursor:
                cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(READ_BYTES)})
                cursor.execute(query)
                for batch in cursor.fetch_record_batch():
                    arrays = [
                        conform(array, column, table.relation)
                        for array, column in zip(batch.columns, columns, strict=True)
                    ]
                    yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        except (adbc.Error, OSError) as error:
            raise SourceError(f"reading {table.relation}: {error}") from error
