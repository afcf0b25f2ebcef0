"""What a schema contains: the tables that can be read, and what the role is not allowed to see."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tap_postgres_arrow.columns import Column, numeric_limits
from tap_postgres_arrow.engine import Connection, literal
from tap_postgres_arrow.table import Table

# Domains are followed to their base type. A type of another schema than PostgreSQL's own is named with it. Of an index
# the columns that it only includes are no part of the key. A part that was never counted, or when it had
# less than half of its blocks, tells nothing of row sizes; others are as dense as then, as the planner thinks, too.
_COLUMNS = """
with recursive base(oid, root, typmod) as (
  select t.oid, t.oid, -1 from pg_type t where t.typtype <> 'd'
  union all
  select d.oid, b.root, case when d.typtypmod >= 0 then d.typtypmod else b.typmod end
  from pg_type d join base b on d.typbasetype = b.oid where d.typtype = 'd'
), part(root, oid) as (
  select c.oid, c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = {schema} and c.relkind in ('r', 'p') and not c.relispartition
  union
  select part.root, i.inhrelid from part join pg_inherits i on i.inhparent = part.oid
), sized as (
  select part.root, c.relkind, coalesce(pg_table_size(c.oid), 0) as bytes, c.reltuples, now.pages,
         case when c.reltuples > 0 and c.relpages >= now.pages / 2
              then c.reltuples / greatest(c.relpages, 1) * now.pages end as rows
  from part join pg_class c on c.oid = part.oid cross join lateral (
    select coalesce(pg_relation_size(c.oid), 0) / current_setting('block_size')::bigint as pages
  ) now
), size as (
  select root, count(*) > 1 as has_parts, bool_or(relkind = 'f') as is_foreign, sum(pages)::bigint as pages,
         max(pages)::bigint as depth, sum(bytes)::bigint as bytes,
         coalesce(sum(bytes) filter (where rows > 0) / nullif(sum(rows), 0), 0)::bigint as row_bytes,
         case when bool_and(reltuples >= 0) filter (where relkind <> 'p')
              then sum(reltuples) filter (where relkind <> 'p') end::bigint as rows
  from sized group by root
)
select c.relname::text, a.attname::text,
       case when tn.nspname = 'pg_catalog' then t.typname else tn.nspname || '.' || t.typname end as type,
       a.attnotnull, case when a.atttypmod >= 0 then a.atttypmod else b.typmod end as typmod,
       coalesce(array_position((i.indkey::int2[])[0:i.indnkeyatts - 1], a.attnum), -1)::int as key_position,
       has_column_privilege(c.oid, a.attnum, 'select') as readable, has_table_privilege(c.oid, 'select') as whole,
       case when row_security_active(c.oid) then quote_ident(current_user) end as hidden_from,
       c.relkind = 'r' and size.has_parts as inherited, size.is_foreign,
       size.row_bytes, size.pages, size.depth, size.bytes, size.rows
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join size on size.root = c.oid
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join base b on b.oid = a.atttypid
join pg_type t on t.oid = b.root
join pg_namespace tn on tn.oid = t.typnamespace
left join pg_index i on i.indrelid = c.oid and i.indisprimary
where has_schema_privilege(n.oid, 'usage') and has_any_column_privilege(c.oid, 'select')
order by c.relname, a.attnum
"""

_OTHERS = """
select case when c.relkind in ('v', 'm') then 'views are not read'
            when c.relkind = 'f' then 'foreign tables are not read'
            when not has_any_column_privilege(c.oid, 'select') then 'the role may not select from them'
            else 'they have no columns' end as reason,
       c.relname::text as name
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = {schema} and not c.relispartition and (c.relkind in ('v', 'm', 'f') or c.relkind in ('r', 'p') and (
  not has_any_column_privilege(c.oid, 'select')
  or not exists (select from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped)))
order by reason, name
"""
MOST_NAMED = 20


def tables(connection: Connection, schema: str, prefix: str) -> tuple[Table, ...]:
    """Return the tables of `schema` of which the user may read something, by name. Raises SourceError."""
    columns: dict[str, list[Sequence[Any]]] = {}
    for table, *column in connection.query(_COLUMNS.format(schema=literal(schema))):
        columns.setdefault(table, []).append(column)
    return tuple(_table(schema, name, found, prefix) for name, found in columns.items())


def _table(schema: str, name: str, columns: Sequence[Sequence[Any]], prefix: str) -> Table:
    """Return a table of the rows of its columns."""
    whole, hidden_from, inherited, is_foreign, row_bytes, pages, depth, size, rows = columns[0][6:]
    hidden = [each[0] for each in columns if not each[5]]
    key = tuple(column for _, column in sorted((each[4], each[0]) for each in columns if each[4] >= 0))
    notes = []
    if hidden:
        notes.append(f"columns {_named(hidden)} are left out: the role may not select them")
    if key and set(key) & set(hidden):
        key = ()
        notes.append("no key: the role may not select all of its columns")
    if key and inherited:
        key = ()
        notes.append("no key: it has the rows of tables that inherit from it, too, which may repeat those of its own")
    if not whole or is_foreign:
        notes.append(
            "read in full each time: when a row was written (xmin) is told to roles that may select the whole table, "
            "and of foreign tables to nobody"
        )
    shown = tuple(_column(each) for each in columns if each[5])
    return Table(
        schema, name, shown, key, row_bytes, pages, depth, prefix,
        rows=rows, bytes=size, has_versions=whole and not is_foreign, hidden_from=hidden_from, notes=tuple(notes),
    )  # fmt: skip


def others(connection: Connection, schema: str) -> list[str]:
    """Return notes on what else the schema has, which is not read."""
    named: dict[str, list[str]] = {}
    for reason, name in connection.query(_OTHERS.format(schema=literal(schema))):
        named.setdefault(reason, []).append(name)
    return [f"left out, {reason}: {_named(names)}" for reason, names in named.items()]


def _column(row: Sequence[Any]) -> Column:
    name, base_type, not_null, typmod = row[:4]
    limits = numeric_limits(typmod) if base_type == "numeric" else (None, None)
    return Column(name, base_type, not not_null, *limits)


def _named(names: Iterable[str]) -> str:
    """Return names, the first of them where there are many."""
    listed = list(names)
    more = f" and {len(listed) - MOST_NAMED} more" if len(listed) > MOST_NAMED else ""
    return ", ".join(listed[:MOST_NAMED]) + more
