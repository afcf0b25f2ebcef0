"""One read-only connection to the source, in one snapshot for all streams of a run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tap_postgres_arrow.boundary import Snapshot
from tap_postgres_arrow.columns import Column, UnrepresentableValueError, arrow_schema, conform, quoted
from tap_postgres_arrow.engine import Connection, literal

READ_ROWS = 30_720
"""Most rows of a record batch: 15 of DuckDB's vectors, 4 MB of a table with 12 columns."""
READ_BYTES = 8 << 20
"""Size of a record batch that wide rows keep to; the engine's least is 2,048 rows."""

_SNAPSHOT_SQL = """
select pg_snapshot_xmin(s.current)::text::bigint as xmin, pg_snapshot_xmax(s.current)::text::bigint as xmax,
       extract(epoch from transaction_timestamp())::text as taken_at,
       case when has_function_privilege('pg_control_system()', 'execute')
            then (select system_identifier::text from pg_control_system()) end as system
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
       (pg_table_size(c.oid) / greatest(c.reltuples, 1))::bigint as row_bytes
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join base b on b.oid = a.atttypid
join pg_type t on t.oid = b.root
left join pg_index i on i.indrelid = c.oid and i.indisprimary
where n.nspname = {schema} and c.relkind in ('r', 'p') and not c.relispartition
  and has_table_privilege(c.oid, 'select')
order by c.relname, a.attnum
"""

_NUMERIC_HEADER = 4
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_ZERO = pa.scalar(0)


@dataclass(frozen=True)
class Table:
    """A table of the source: columns in their own order, primary key in the key's order."""

    schema: str
    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    row_bytes: int
    """Mean size of a row as the source stores it; 0 if it does not know."""

    @property
    def relation(self) -> str:
        """Schema-qualified name, for people."""
        return f"{self.schema}.{self.name}"


def numeric_limits(typmod: int) -> tuple[int | None, int | None]:
    """Return precision and scale of a numeric typmod; (None, None) if it declares none. Source: numeric.c."""
    if typmod < _NUMERIC_HEADER:
        return None, None
    packed = typmod - _NUMERIC_HEADER
    scale = packed & 0x7FF  # 11 bits, signed
    return (packed >> 16) & 0xFFFF, (scale ^ 1024) - 1024


class Source:
    """The tables of a database, all seen in one snapshot. Close it after the run."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Connect and take the snapshot; SourceError says which server did not answer."""
        self._connection = Connection(config)
        ((xmin, xmax, taken_at, system),) = self._connection.query(_SNAPSHOT_SQL)
        self.snapshot = Snapshot(system, xmin, xmax, _EPOCH + dt.timedelta(microseconds=int(Decimal(taken_at) * 10**6)))

    def close(self) -> None:
        """End the transaction and the connection."""
        self._connection.close()

    def tables(self, schema: str) -> tuple[Table, ...]:
        """Return the tables of `schema` that the user may read, by name."""
        columns: dict[str, list[Column]] = {}
        keys: dict[str, list[tuple[int, str]]] = {}
        sizes: dict[str, int] = {}
        rows = self._connection.query(_COLUMNS_SQL.format(schema=literal(schema)))
        for table, name, base_type, not_null, typmod, key_position, row_bytes in rows:
            sizes[table] = row_bytes
            limits = numeric_limits(typmod) if base_type == "numeric" else (None, None)
            columns.setdefault(table, []).append(Column(name, base_type, not not_null, *limits))
            if key_position >= 0:
                keys.setdefault(table, []).append((key_position, name))
        return tuple(
            Table(schema, table, tuple(found), tuple(name for _, name in sorted(keys.get(table, []))), sizes[table])
            for table, found in columns.items()
        )

    def read(self, table: Table, columns: tuple[Column, ...], condition: str | None) -> Iterator[pa.RecordBatch]:
        """Yield the table's rows in batches, typed as `arrow_schema(columns)`.

        `condition` is a SQL condition or None for all rows. Raises SourceError when the source fails midway and
        UnrepresentableValueError when a value does not fit its type.
        """
        schema = arrow_schema(columns)
        # Identifiers are quoted; the condition comes from boundary.py, whose literals are typed values.
        items = ", ".join(column.expression for column in columns)
        relation = f"{quoted(table.schema)}.{quoted(table.name)}"
        where = "" if condition is None else f" where {condition}"
        suspects: set[Column] = set()
        rows = max(2_048, min(READ_ROWS, READ_BYTES // max(table.row_bytes, 1)))
        for batch in self._connection.stream(f"select {items} from {relation}{where}", rows):  # noqa: S608
            arrays = []
            for array, column in zip(batch.columns, columns, strict=True):
                arrays.append(conform(array, column, table.relation))
                if column.hides_nan and column not in suspects and pc.any(pc.equal(array, _ZERO)).as_py():
                    suspects.add(column)
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        for column in sorted(suspects, key=lambda suspect: suspect.name):
            name = quoted(column.name)
            also = "" if condition is None else f" and ({condition})"
            query = f"select 1 as found from {relation} where {name} = 'NaN'{also} limit 1"  # noqa: S608
            if self._connection.query(query):
                raise UnrepresentableValueError(
                    f"{table.relation}, column {column.name}: value 'NaN' does not fit {column.arrow_type}. "
                    "Correct the value in the source, or deselect the column."
                )
