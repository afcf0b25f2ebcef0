"""What must be unchanged, so that rows which an earlier run read are the same as this run would read.

A row version never changes, but its text may: if an enum's value was renamed, or a column was dropped and added again.
And a table that was rewritten has other row versions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import duckdb

from tap_postgres_arrow.engine import literal
from tap_postgres_arrow.parquet import Statement
from tap_postgres_arrow.reading import Reading

Identity = Mapping[str, Any]

_CHANGED = {
    "system": "it is another server",
    "timeline": "the server was promoted or restored",
    "database": "it is another database",
    "table": "the table was made anew",
    "files": "the table was emptied or written anew (TRUNCATE, VACUUM FULL, CLUSTER, ALTER), or has other partitions",
    "columns": "its columns are others",
    "types": "a type of its columns was altered, or an extension or the server updated",
    "statement": "it is read in another way",
}

# What follows a type is what its text is made of: a domain's base, an array's elements, a range's bounds, the columns
# of a composite type. Text of `regclass` and the like is a name that may change by itself. Only of heap tables is it
# known that row versions stay where and as they are.
_IDENTITY = """
with recursive part(oid) as (
  select {table}::regclass::oid union select i.inhrelid from part join pg_inherits i on i.inhparent = part.oid
), attribute as (
  select a.* from pg_attribute a join part on part.oid = a.attrelid where a.attnum > 0 and not a.attisdropped
), used(oid) as (
  select atttypid from attribute
  union
  select next.oid from used join pg_type t on t.oid = used.oid cross join lateral (
    select t.typbasetype union all select t.typelem
    union all select r.rngsubtype from pg_range r where r.rngtypid = t.oid
    union all select a.atttypid from pg_attribute a where t.typrelid <> 0 and a.attrelid = t.typrelid
  ) next(oid) where next.oid <> 0
), said as (
  select
    (select string_agg(part.oid || ' ' || coalesce(pg_relation_filenode(part.oid), 0), ',' order by part.oid)
     from part) as files,
    (select string_agg(concat_ws(' ', a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attgenerated,
                                 case when a.attgenerated <> '' then pg_get_expr(d.adbin, d.adrelid) end),
                       ',' order by a.attrelid, a.attnum)
     from attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum) as columns,
    (select string_agg(concat_ws(' ', e.enumtypid, e.oid, e.enumlabel), ',' order by e.oid)
     from pg_enum e where e.enumtypid in (select oid from used)) as labels,
    (select string_agg(concat_ws(' ', a.attrelid, a.attnum, a.atttypid, a.atttypmod, a.attisdropped), ','
                       order by a.attrelid, a.attnum)
     from pg_attribute a join pg_type t on t.typrelid = a.attrelid
     where a.attnum > 0 and t.oid in (select oid from used)) as composites,
    (select string_agg(concat_ws(' ', extname, extversion), ',' order by extname) from pg_extension) as extensions
)
select
  (select oid::bigint from pg_database where datname = current_database()) as database,
  {table}::regclass::oid::bigint as own,
  encode(sha256(convert_to(files, getdatabaseencoding())), 'hex') as files,
  encode(sha256(convert_to(columns, getdatabaseencoding())), 'hex') as columns,
  encode(sha256(convert_to(concat_ws(';', labels, composites, extensions, current_setting('server_version'),
                                     current_setting('lc_monetary')), getdatabaseencoding())), 'hex') as types,
  pg_is_in_recovery() as standby,
  (select bool_and(c.relkind = 'p' or am.amname = 'heap')
   from part join pg_class c on c.oid = part.oid left join pg_am am on am.oid = c.relam) as is_heap,
  exists (select from pg_type t join used on used.oid = t.oid
          where t.typnamespace = 'pg_catalog'::regnamespace
          and (t.typname like 'reg%' or t.typname = 'aclitem')) as names
from said
"""


def identity(reading: Reading, layout: Mapping[str, Any]) -> tuple[Identity, bool] | str:
    """Return what the rows of a table are read from, and whether that is a standby; or why it can't be told.

    The table is kept from being written anew until the run ends: what is returned stays true.
    """
    source, table = reading.source, reading.table
    if source.snapshot.system is None or source.snapshot.timeline is None:
        return "the role may not call pg_control_system(), pg_control_checkpoint() and pg_control_recovery()"
    # Whoever would write the table anew waits for the transaction that has asked for it.
    source.connection.query(f"select 1 as locked from {table.sql} limit 0")  # noqa: S608
    found = source.connection.query(_IDENTITY.format(table=literal(table.sql)))
    ((database, own, files, columns, types, standby, is_heap, names),) = found
    if not is_heap:
        return "it is stored by an extension"
    if names:
        return "a column holds names of tables, types or roles (regclass and the like), which change by themselves"
    statement = Statement.of(reading, None, {**layout, "constants": {}})
    read = hashlib.sha256(
        f"{statement.sql};{statement.items};{duckdb.__version__}".encode(errors="surrogatepass")
    ).hexdigest()
    return {
        "system": source.snapshot.system,
        "timeline": source.snapshot.timeline,
        "database": database,
        "table": own,
        "files": files,
        "columns": columns,
        "types": types,
        "statement": read,
    }, standby


def difference(then: Identity, now: Identity) -> str | None:
    """Return in words what is another; None if all is the same."""
    return next((said for name, said in _CHANGED.items() if then.get(name) != now[name]), None)
