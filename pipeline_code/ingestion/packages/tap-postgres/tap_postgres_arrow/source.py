"""One read-only connection to the source, in one snapshot for all streams of a run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tap_postgres_arrow.boundary import Snapshot
from tap_postgres_arrow.columns import Column, UnrepresentableValueError, quoted
from tap_postgres_arrow.engine import Connection, SourceError, literal
from tap_postgres_arrow.trust import trust

_SNAPSHOT_SQL = """
select pg_snapshot_xmin(s.current)::text::bigint as xmin, pg_snapshot_xmax(s.current)::text::bigint as xmax,
       extract(epoch from transaction_timestamp())::text as taken_at, current_setting('server_encoding') as encoding,
       case when has_function_privilege('pg_control_system()', 'execute')
            then (select system_identifier::text from pg_control_system()) end as system
from (select pg_current_snapshot() as current) s
"""

_SEEN_SQL = """
select pg_snapshot_xmin(s.current)::text::bigint as xmin, pg_snapshot_xmax(s.current)::text::bigint as xmax
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
       case when a.atttypmod >= 0 then a.atttypmod else b.typmod end as typmod,
       coalesce(array_position(i.indkey::int2[], a.attnum), -1)::int as key_position,
       (pg_table_size(c.oid) / greatest(c.reltuples, 1))::bigint as row_bytes,
       (coalesce(parts.together, pg_relation_size(c.oid)) / current_setting('block_size')::bigint)::bigint as pages,
       (coalesce(parts.largest, pg_relation_size(c.oid)) / current_setting('block_size')::bigint)::bigint as depth
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join base b on b.oid = a.atttypid
join pg_type t on t.oid = b.root
left join lateral (
  select sum(pg_relation_size(p.relid)) as together, max(pg_relation_size(p.relid)) as largest
  from pg_partition_tree(c.oid) p where p.isleaf
) parts on c.relkind = 'p'
left join pg_index i on i.indrelid = c.oid and i.indisprimary
where n.nspname = {schema} and c.relkind in ('r', 'p') and not c.relispartition
  and has_table_privilege(c.oid, 'select')
order by c.relname, a.attnum
"""

BLOCK_BYTES = 8_192
"""PostgreSQL's block, but for servers that somebody compiled otherwise: there, divisions are less even."""
_NUMERIC_HEADER = 4
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Table:
    """A table of the source: columns in their own order, primary key in the key's order."""

    schema: str
    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    row_bytes: int
    """Mean size of a row as the source stores it; 0 if it does not know."""
    pages: int
    """Blocks of the table, or of its partitions together, without its long values."""
    depth: int
    """Blocks of the table, or of the largest of its partitions: no row's `ctid` is beyond."""
    prefix: str = ""
    """What the stream's name has before the table's."""

    @property
    def stream(self) -> str:
        """Name of the table's stream."""
        return f"{self.prefix}{self.name}"

    @property
    def block_bytes(self) -> int:
        """Bytes of the table's blocks, see `pages`."""
        return self.pages * BLOCK_BYTES

    @property
    def relation(self) -> str:
        """Schema-qualified name, for people."""
        return f"{self.schema}.{self.name}"

    @property
    def sql(self) -> str:
        """Schema-qualified name, quoted."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    def query(self, columns: tuple[Column, ...], condition: str | None) -> str:
        """Return the query of the rows to send.

        `condition` is a SQL condition or None for all rows. Identifiers are quoted, and the condition comes from
        boundary.py, whose literals are typed values.
        """
        items = ", ".join(column.expression for column in columns)
        return f"select {items} from {self.sql}" + ("" if condition is None else f" where {condition}")  # noqa: S608


def numeric_limits(typmod: int) -> tuple[int | None, int | None]:
    """Return precision and scale of a numeric typmod; (None, None) if it declares none. Source: numeric.c."""
    if typmod < _NUMERIC_HEADER:
        return None, None
    packed = typmod - _NUMERIC_HEADER
    scale = packed & 0x7FF  # 11 bits, signed
    return (packed >> 16) & 0xFFFF, (scale ^ 1024) - 1024


def connected(config: Mapping[str, Any], shared: str, xmin: int, xmax: int) -> Connection:
    """Return a connection that sees the snapshot which another one has exported as `shared`. Raises SourceError."""
    connection = Connection(config, shared)
    ((found_xmin, found_xmax),) = connection.query(_SEEN_SQL)
    if (found_xmin, found_xmax) != (xmin, xmax):
        connection.close()
        raise SourceError(
            f"a second connection sees transactions up to {found_xmax}, the first up to {xmax}: it is not "
            "used, as rows would be lost or doubled. Is there a proxy between, with several servers behind it?"
        )
    return connection


class Source:
    """The tables of a database, all seen in one snapshot. Close it after the run."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Connect and take the snapshot; SourceError says which server did not answer."""
        self._config = config
        trust(config)
        self.connection = Connection(config)
        ((xmin, xmax, taken_at, self.encoding, system),) = self.connection.query(_SNAPSHOT_SQL)
        self.snapshot = Snapshot(system, xmin, xmax, _EPOCH + dt.timedelta(microseconds=int(Decimal(taken_at) * 10**6)))

    def close(self) -> None:
        """End the transaction and the connection."""
        self.connection.close()

    def share(self) -> str:
        """Return the name of the run's snapshot, for `connect`. No query may run meanwhile."""
        return self.connection.export_snapshot()

    def seen(self) -> dict[str, Any]:
        """Return what `connected` takes, to see what this run does. No query may run meanwhile."""
        return {"shared": self.share(), "xmin": self.snapshot.xmin, "xmax": self.snapshot.xmax}

    def connect(self, shared: str) -> Connection:
        """Return a further connection that sees the run's snapshot; close it. Raises SourceError."""
        return connected(self._config, shared, self.snapshot.xmin, self.snapshot.xmax)

    def tables(self, schema: str) -> tuple[Table, ...]:
        """Return the tables of `schema` that the user may read, by name."""
        columns: dict[str, list[Column]] = {}
        keys: dict[str, list[tuple[int, str]]] = {}
        sizes: dict[str, tuple[int, int, int]] = {}
        rows = self.connection.query(_COLUMNS_SQL.format(schema=literal(schema)))
        for table, name, base_type, not_null, typmod, key_position, row_bytes, pages, depth in rows:
            sizes[table] = row_bytes, pages, depth
            limits = numeric_limits(typmod) if base_type == "numeric" else (None, None)
            columns.setdefault(table, []).append(Column(name, base_type, not not_null, *limits))
            if key_position >= 0:
                keys.setdefault(table, []).append((key_position, name))
        prefix = self._config.get("stream_prefix", "")
        ordered = {table: tuple(name for _, name in sorted(found)) for table, found in keys.items()}
        return tuple(
            Table(schema, table, tuple(found), ordered.get(table, ()), *sizes[table], prefix)
            for table, found in columns.items()
        )

    def require_tables(self, schema: str) -> tuple[Table, ...]:
        """Return the tables of `schema`; SourceError if the user may read none."""
        tables = self.tables(schema)
        if not tables:
            raise SourceError(
                f"database {self._config['database']}: {self._config['user']} can read no table in schema "
                f"{schema!r}. Check the setting `schema` and the grants."
            )
        return tables

    def check_nan(self, table: Table, suspects: Iterable[Column], condition: str | None) -> None:
        """Raise UnrepresentableValueError if a column of `suspects` holds NaN, which the engine reads as 0."""
        also = "" if condition is None else f" and ({condition})"
        for column in sorted(suspects, key=lambda suspect: suspect.name):
            found = f"select 1 as found from {table.sql} where {quoted(column.name)} = 'NaN'{also} limit 1"  # noqa: S608
            if self.connection.query(found):
                raise UnrepresentableValueError(
                    f"{table.relation}, column {column.name}: value 'NaN' does not fit {column.type_name}. "
                    "Correct the value in the source, or deselect the column."
                )
