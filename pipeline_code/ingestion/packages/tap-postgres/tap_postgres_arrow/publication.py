"""What a publication says about the tables: which of them can be followed, and with which columns."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from tap_postgres_arrow.engine import Connection, Row, SourceError, literal
from tap_postgres_arrow.log_position import DELETED_AT, LSN, Shape
from tap_postgres_arrow.slot import outlast

# Through to_jsonb: before PostgreSQL 15 there are no row filters nor lists of columns, before 13 no roots.
_PUBLICATION = """
select p.pubinsert as i, p.pubupdate as u, p.pubdelete as d, p.pubtruncate as t,
       coalesce((to_jsonb(p) ->> 'pubviaroot')::boolean, false) as roots
from pg_publication p where p.pubname = {publication}
"""
_TABLES = """
select c.relname::text as name, to_jsonb(t) ->> 'rowfilter' as filter, to_jsonb(t) ->> 'attnames' as columns,
       c.relispartition as partition, row_security_active(c.oid) as secured,
       c.relkind = 'r' and exists (select from pg_inherits i where i.inhparent = c.oid) as parent,
       exists (select from pg_index k join pg_attribute a on a.attrelid = k.indrelid and a.attnum = any(k.indkey)
               where k.indrelid = c.oid and k.indisprimary and a.attgenerated <> '') as generated,
       exists (select from pg_attribute a where a.attrelid = c.oid and a.attname in ({added})
               and not a.attisdropped) as taken
from pg_publication_tables t
join pg_namespace n on n.nspname = t.schemaname
join pg_class c on c.relnamespace = n.oid and c.relname = t.tablename
where t.pubname = {publication} and t.schemaname = {schema}
"""
_WRITERS = """
select distinct l.virtualtransaction as writer
from pg_publication p join pg_publication_rel r on r.prpubid = p.oid and age(r.xmin) between 0 and {transactions}
join pg_locks l on l.relation = r.prrelid join pg_database d on d.oid = l.database and d.datname = current_database()
where p.pubname = {publication} and l.granted
  and l.mode in ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
"""
RECENT_TRANSACTIONS = 100_000
"""Transactions of the whole server since a table was added; one that is older by so many has ended, as a rule."""
_COLUMNS = """
select c.relname::text as name, a.attnum::text as number, a.attname::text as attribute,
       a.attgenerated <> '' as generated, format_type(a.atttypid, a.atttypmod) as type,
       a.atthasdef or a.atthasmissing or a.attnotnull as filled
from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
where n.nspname = {schema} and c.relname in ({names}) and a.attnum > 0 and not a.attisdropped
"""
# Not by PostgreSQL's functions for partitions: they see what others have committed since the run's snapshot.
_FILES = """
with recursive member(name, oid, attached) as (
  select c.relname::text, c.oid, false from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = {schema} and c.relname in ({names})
  union all
  select m.name, i.inhrelid, i.xmin <> t.xmin
  from member m join pg_inherits i on i.inhparent = m.oid join pg_class c on c.oid = i.inhrelid and c.relispartition
  join pg_type t on t.oid = c.reltype
)
select m.name, m.oid::text as number, c.relfilenode::bigint as file, m.attached
from member m join pg_class c on c.oid = m.oid
"""

_PUBLISHED = """
select c.relname::text as name, concat_ws(':', p.oid, p.xmin, r.oid, r.xmin) as published
from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_publication p on p.pubname = {publication}
left join pg_publication_rel r on r.prpubid = p.oid and r.prrelid = c.oid
where n.nspname = {schema} and c.relname in ({names})
"""

Columns = frozenset[str] | None
"""Names of the columns of a table that are published; None for all."""


@dataclass(frozen=True)
class Described:
    """A followed table: its shape, SQL types by column, and what its log can't tell.

    `generated` columns are computed by the server, which sends none of them; `filled` ones (by number) have values also
    in rows that were there before them, without a word of the log; `attached` partitions may have come with rows.
    """

    shape: Shape
    types: dict[str, str]
    generated: frozenset[str]
    filled: frozenset[str]
    attached: frozenset[str]

    def differs_from(self, before: Shape) -> str | None:
        """Return why a table whose shape was `before` is to be read in full; None if its log tells all."""
        if self.shape.published != before.published:
            return "the publication was altered, or the table put into it anew"
        if (column := self._other_column(before)) is not None:
            return column
        for number, file in before.files.items():
            if self.shape.files.get(number) != file:
                return "it, or a partition of it, was written anew, emptied or taken out"
        if self.attached - set(before.files):
            return "a table was attached as its partition"
        return None

    def _other_column(self, before: Shape) -> str | None:
        """Return which column is not what it was, or has values of which the log says nothing; None if none."""
        names = set(before.columns.values())
        for number, name in self.shape.columns.items():
            known = before.columns.get(number)
            if known is None and name in names:
                return f"column {name} is another one than before: it was dropped, and added anew"
            if known is None and number in self.filled:
                return f"column {name} was added, with values in rows that were there before"
            if known not in {None, name}:
                return f"column {known} was renamed to {name}"
        return None


def published(connection: Connection, name: str, schema: str, logger: logging.Logger) -> dict[str, Columns]:
    """Return the tables of the schema that can be followed, and the columns of each that are published.

    Raises SourceError, with the way out, where the publication leaves out changes: the lake would not notice.
    """
    found = connection.query(_PUBLICATION.format(publication=literal(name)))
    if not found:
        raise SourceError(
            f"the source has no publication {name!r}: its owner makes one with "
            f'create publication "{name}" for table …; or unset `publication`'
        )
    ((*operations, roots),) = found
    if not all(operations):
        raise SourceError(
            f"publication {name!r} leaves changes out, and the lake would keep what the source has no more: "
            f"alter publication \"{name}\" set (publish = 'insert, update, delete, truncate')"
        )
    added = f"{literal(LSN)}, {literal(DELETED_AT)}"
    rows = connection.query(_TABLES.format(publication=literal(name), schema=literal(schema), added=added))
    _refuse_partitions(name, schema, sorted(row[0] for row in rows if row[3]), roots=roots)
    if filtered := sorted(f"{schema}.{row[0]} where {row[1]}" for row in rows if row[1] is not None):
        raise SourceError(
            f"publication {name!r} has row filters, and a complete read has all rows: {'; '.join(filtered)}. "
            f'Take each out and add it without one: alter publication "{name}" drop table …, then add table …'
        )
    tables = {}
    for table, _, columns, _, secured, parent, generated, taken in rows:
        reasons = {
            "row security hides rows of it (alter role … bypassrls)": secured,
            "the log tells rows of its child tables as theirs": parent,
            "its key is generated, and the log lacks such columns": generated,
            f"it has a column {LSN} or {DELETED_AT}, which say of a change where and when it was": taken,
        }
        if why := next((reason for reason, holds in reasons.items() if holds), None):
            logger.warning("%s.%s does not follow the log, it is read as if unpublished: %s", schema, table, why)
        else:
            tables[table] = None if columns is None else frozenset(json.loads(columns))
    return tables


def settle(connection: Connection, name: str, logger: logging.Logger) -> None:
    """Wait for transactions that write to tables which were added to the publication only lately.

    The log leaves out what a transaction wrote to a table before it was published, and no later read would notice.
    Raises SourceError where they don't end.
    """
    writers = _WRITERS.format(publication=literal(name), transactions=RECENT_TRANSACTIONS)
    outlast(connection, writers, f"tables were added to publication {name!r}", logger)


def _refuse_partitions(name: str, schema: str, partitions: list[str], *, roots: bool) -> None:
    """Raise SourceError for partitions that are published as tables of their own: no stream has them."""
    if not partitions:
        return
    few = ", ".join(f"{schema}.{each}" for each in partitions[:5]) + (", …" if len(partitions) > 5 else "")
    way = (
        f'publish the partitioned tables in their place (alter publication "{name}" drop table …, then add table …)'
        if roots
        else f'alter publication "{name}" set (publish_via_partition_root = true)'
    )
    raise SourceError(f"publication {name!r} has changes of partitions under their own names ({few}): {way}")


def described(
    connection: Connection, name: str, schema: str, tables: Mapping[str, frozenset[str]]
) -> dict[str, Described]:
    """Return tables that the publication `name` has, as the connection's snapshot has them.

    tables: the columns that are followed, by table.
    """
    if not tables:
        return {}
    place = {
        "publication": literal(name), "schema": literal(schema), "names": ", ".join(literal(each) for each in tables),
    }  # fmt: skip
    columns: dict[str, list[Row]] = {table: [] for table in tables}
    for table, *column in connection.query(_COLUMNS.format(**place)):
        if column[1] in tables[table]:
            columns[table].append(tuple(column))
    files: dict[str, list[Row]] = {table: [] for table in tables}
    for table, *file in connection.query(_FILES.format(**place)):
        files[table].append(tuple(file))
    memberships: dict[str, str] = dict(connection.query(_PUBLISHED.format(**place)))
    return {table: _described(columns[table], files[table], memberships.get(table, "")) for table in tables}


def _described(columns: list[Row], files: list[Row], membership: str) -> Described:
    names = {number: name for number, name, *_ in columns}
    return Described(
        Shape(names, {number: file for number, file, _ in files}, membership),
        {name: kind for _, name, _, kind, _ in columns},
        frozenset(name for _, name, generated, *_ in columns if generated),
        frozenset(number for number, *_, filled in columns if filled),
        frozenset(number for number, _, attached in files if attached),
    )
