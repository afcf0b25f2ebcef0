"""A random table in PostgreSQL, and beside it what the lake should hold of it, load by load, kept by PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import psycopg
from hypothesis import reject

from differential.tables import STAMP, Change, Column, Table, quoted

REFUSED = (psycopg.errors.IntegrityError, psycopg.errors.DataError, psycopg.errors.ProgramLimitExceeded)
"""What PostgreSQL itself does not take: such a row or change does not exist."""


class SourceTable:
    """One table, and its mirrors: `mirror(n)` is what the lake should hold after the `n`th load.

    script: the statements that made it, to paste. aside: how many rows have to be set aside by now. lake: its table
    there, as pyiceberg read it after the last load. snapshots: that table's, after each load.
    """

    def __init__(
        self, connection: psycopg.Connection[Any], schema: str, number: int, table: Table, *, clean: bool
    ) -> None:
        """Create it in `schema`, with its first rows. clean: without those that the lake can't hold."""
        self.connection, self.schema, self.table, self.number = connection, schema, table, number
        self.sql = f"{quoted(schema)}.{quoted(table.name)}"
        self.script: list[str] = []
        self.snapshots: list[int | None] = []
        self.loads = 0
        self.lake: Any = None
        self.aside = 0
        self._seen: Any = None
        self._create(clean)

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns that are compared."""
        return self.table.columns

    def mirror(self, load: int | None = None) -> str:
        """Return the table that holds what the lake should, after a load (the last)."""
        return f"{self.schema}_lake.m{self.number}_{self.loads if load is None else load}"

    def _run(self, statement: str, values: Sequence[Any] = ()) -> bool:
        """Execute a statement; False where PostgreSQL refuses it as such a row can't exist."""
        try:
            self.connection.execute(statement, values or None)
        except REFUSED:
            return False
        self.script.append(rendered(statement, values))
        return True

    def _create(self, clean: bool) -> None:
        self._declare()
        for column in self.columns:
            if column.kind.large and column.generated is None:
                self._must(f"alter table {self.sql} alter {column.sql} set storage external")
        if self.table.filler_first:
            self._fill()
        for number, row in enumerate(self.table.rows):
            self._insert(row, child=self.table.shape == "inherited" and number % 2 == 1)
        if not self.table.filler_first:
            self._fill()
        if clean:
            self._must(f"delete from {self.sql} where {self.misfit()}")
        if self.table.analyzed:
            self._must(f"analyze {self.sql}")

    def _declare(self) -> None:
        table, storage = self.table, " with (autovacuum_enabled = false)"
        items = [_declared(column) for column in table.columns]
        if table.stamped:
            items.append(f"{STAMP} timestamptz not null default clock_timestamp()")
        if table.key:
            items.append(f"primary key ({', '.join(table.columns[number].sql for number in table.key)})")
        body = ", ".join(items)
        if table.shape != "partitioned":
            self._must(f"create table {self.sql} ({body}){storage}")
        if table.shape == "inherited":
            self._must(f"create table {self._child} () inherits ({self.sql}){storage}")
        if table.shape == "partitioned":
            self._must(f"create table {self.sql} ({body}) partition by hash ({table.columns[table.key[0]].sql})")
            for part in range(2):
                name = f"{quoted(self.schema)}.{quoted(f'{table.name[:40]}_part{part}')}"
                places = f"for values with (modulus 2, remainder {part})"
                self._must(f"create table {name} partition of {self.sql} {places}{storage}")

    def show(self) -> None:
        """Let the tap's role read the table as its shape says, in a schema all of whose tables it may read."""
        match self.table.shape:
            case "granted":
                self._must(f"revoke select on {self.sql} from reader")
                names = [column.sql for column in self.columns] + ([STAMP] if self.table.stamped else [])
                self._must(f"grant select ({', '.join(names)}) on {self.sql} to reader")
            case "viewed":
                for kind, name in zip(("view", "materialized view"), self.table.views, strict=True):
                    view = f"{quoted(self.schema)}.{quoted(name)}"
                    self._must(f"create {kind} {view} as select * from {self.sql}")
                    self._must(f"grant select on {view} to reader")
            case "hidden" | "owned":
                self._must(f"alter table {self.sql} enable row level security")
                self._must(f"create policy few on {self.sql} for select to reader using (ctid::text like '%1)')")
                if self.table.shape == "owned":
                    self._must(f"alter table {self.sql} owner to reader")

    def _must(self, statement: str) -> None:
        try:
            self.connection.execute(statement)
        except psycopg.errors.UntranslatableCharacter:
            reject()  # a name that the database's encoding does not have
        self.script.append(statement)

    def _fill(self) -> None:
        if self.table.filler:
            real = [column for column in self.table.columns if column.generated is None]
            values = ", ".join(
                f"({column.kind.filler.format(i='i', c=column.sql)})::{column.kind.sql}" for column in real
            )
            self._run(
                f"insert into {self.sql} ({', '.join(column.sql for column in real)}) select {values}"
                f" from generate_series(1, {self.table.filler}) i on conflict do nothing"
            )

    @property
    def _child(self) -> str:
        return f"{quoted(self.schema)}.{quoted(self.table.child)}"

    def _insert(self, row: Sequence[str | None], *, child: bool = False) -> bool:
        real = [(column, value) for column, value in zip(self.columns, row, strict=True) if column.generated is None]
        places = ", ".join(f"${number}::text::{column.kind.sql}" for number, (column, _) in enumerate(real, start=1))
        names = ", ".join(column.sql for column, _ in real)
        statement = (
            f"insert into {self._child if child else self.sql} ({names}) values ({places}) on conflict do nothing"
        )
        return self._run(statement, [value for _, value in real])

    def change(self, change: Change, *, misfits: bool) -> None:
        """Make a change, unless PostgreSQL refuses it. misfits: it may bring values that the lake can't hold."""
        before = self._misfits()
        self.connection.execute("begin")
        done = len(self.script)
        kept = self._apply(change) and (misfits or self._misfits() <= before)
        self.connection.execute("commit" if kept else "rollback")
        if not kept:
            del self.script[done:]

    def _apply(self, change: Change) -> bool:
        # The table's rows in their order on disk: also without a key, and the same in each try.
        which = (
            f"(tableoid, ctid) = (select tableoid, ctid from {self.sql} order by 1, 2 limit 1"
            f" offset {change.at} % greatest(1, (select count(*) from {self.sql})))"
        )
        stamp = f", {STAMP} = clock_timestamp()" if self.table.stamped else ""
        match change.what:
            case "insert":
                return self._insert(change.row)
            case "update":
                column = self.columns[change.column]
                return self._run(
                    f"update {self.sql} set {column.sql} = $1::text::{column.kind.sql}{stamp} where {which}",
                    [change.value],
                )
            case "touch":
                column = next(each for each in self.columns if each.generated is None)
                return self._run(f"update {self.sql} set {column.sql} = {column.sql}{stamp} where {which}")
            case "delete":
                return self._run(f"delete from {self.sql} where {which}")
            case "truncate":
                return self._run(f"truncate {self.sql}")

    def misfit(self) -> str:
        """SQL condition of the rows that have to be set aside."""
        found = [f"coalesce({each.kind.misfit.format(c=each.sql)}, false)" for each in self.columns if each.kind.misfit]
        return f"({' or '.join(found)})" if found else "false"

    def _misfits(self) -> int:
        return self.one(f"select count(*) from {self.sql} where {self.misfit()}")

    def one(self, query: str, values: Sequence[Any] = ()) -> Any:
        """Return the only value of a query."""
        row = self.connection.execute(query, values or None).fetchone()
        assert row is not None
        return row[0]

    def stored(self) -> str:
        """SELECT list of the stored values, called c0, c1, …"""
        return ", ".join(
            f"({each.kind.stored.format(c=each.sql)})::{compared(each)} as c{number}"
            for number, each in enumerate(self.columns)
        )

    def loaded(self, *, merges: bool, replaces: bool, keeps: bool, marks: bool) -> None:
        """Keep what the lake should hold after this load, by what it held before.

        merges: by key. replaces: the load reads the table completely, else what was written since the last. keeps:
        whether rows that the source has no more stay. marks: they get the mark `gone`, which is null for the others.
        """
        first = self.loads == 0
        complete = replaces or self._seen is None
        condition = "true" if complete else f"{STAMP} > $1"
        values = [self._seen] if "$1" in condition else None
        before, self.loads = self.mirror(), self.loads + 1
        now = self.mirror()
        self.connection.execute(
            f"create table {now} as select {self.stored()}, null::boolean as gone from {self.sql}"
            f" where {condition} and not {self.misfit()}",
            values,
        )
        aside = self.connection.execute(
            f"select count(*) from {self.sql} where {condition} and {self.misfit()}", values
        ).fetchone()
        assert aside is not None
        self.aside = aside[0] if complete else self.aside + aside[0]
        if not first and (keeps or not complete):
            key = ", ".join(f"c{number}" for number in self.table.key)
            which = f" where ({key}) not in (select {key} from {now})" if merges else ""
            kept = ", ".join([*(f"c{number}" for number in range(len(self.columns))), "true" if marks else "null"])
            self.connection.execute(f"insert into {now} select {kept} from {before}{which}")
        # A table of which nothing is stored yet has no bookmark: it is read completely again.
        if self.table.stamped and self.one(f"select count(*) from {now}"):
            self._seen = self.one("select clock_timestamp()")


def _declared(column: Column) -> str:
    generated = "" if column.generated is None else f" generated always as ({column.generated}) stored"
    if column.identity:
        generated = " generated by default as identity"
    return f"{column.sql} {column.kind.sql}{' not null' if column.always else ''}{generated}"


def compared(column: Column) -> str:
    """Return the SQL type of a mirror's column."""
    return 'text collate "C"' if column.kind.family == "text" else column.kind.compared


def rendered(statement: str, values: Sequence[Any]) -> str:
    """Return a statement that can be pasted; long values are shown as repeat('…', n)."""
    return re.sub(r"\$(\d+)", lambda found: _literal(values[int(found[1]) - 1]), statement) if values else statement


def _literal(value: str | None) -> str:
    if value is None:
        return "null"
    if len(value) > 200 and len(tail := value.lstrip(value[:1])) < 200:
        repeated = f"repeat({_literal(value[:1])}, {len(value) - len(tail)})"
        return f"({repeated} || {_literal(tail)})" if tail else repeated
    return "'" + value.replace("'", "''") + "'"
