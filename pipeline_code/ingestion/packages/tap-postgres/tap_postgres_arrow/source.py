"""One read-only connection to the source, in one snapshot for all streams of a run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from tap_postgres_arrow import relations
from tap_postgres_arrow.boundary import Snapshot
from tap_postgres_arrow.columns import Column, UnrepresentableValueError, quoted
from tap_postgres_arrow.engine import Connection, SourceError
from tap_postgres_arrow.table import Table
from tap_postgres_arrow.trust import trust

__all__ = ["Source", "Table", "connected"]

_SNAPSHOT_SQL = """
select pg_snapshot_xmin(s.current)::text::bigint as xmin, pg_snapshot_xmax(s.current)::text::bigint as xmax,
       extract(epoch from transaction_timestamp())::text as taken_at, current_setting('server_encoding') as encoding,
       has_function_privilege('pg_control_checkpoint()', 'execute')
       and has_function_privilege('pg_control_recovery()', 'execute') as has_timeline
from (select pg_current_snapshot() as current) s
"""
# Asked by itself: that a function in FROM may not be called is an error also where it would not be.
# A server that was just promoted has the new timeline as that of its recovery's end, after a checkpoint as its own.
_TIMELINE_SQL = """
select greatest(timeline_id, min_recovery_end_timeline) as timeline from pg_control_checkpoint(), pg_control_recovery()
"""

_SEEN_SQL = """
select pg_snapshot_xmin(s.current)::text::bigint as xmin, pg_snapshot_xmax(s.current)::text::bigint as xmax
from (select pg_current_snapshot() as current) s
"""

SAMPLED_BYTES = 64 << 20
"""Size of a table from which on it matters how wide its rows are: they are counted in a sample, if nobody has."""
SAMPLED_BLOCKS = 128
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


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


def system_identifier(connection: Connection) -> str | None:
    """Return what tells the database cluster from all others; None if the user may not ask."""
    ((may,),) = connection.query("select has_function_privilege('pg_control_system()', 'execute') as may")
    if not may:
        return None
    ((system,),) = connection.query("select system_identifier::text as system from pg_control_system()")
    return str(system)


class Source:
    """The tables of a database, all seen in one snapshot. Close it after the run."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Connect and take the snapshot; SourceError says which server did not answer."""
        self._config = config
        self._sampled: dict[str, int] = {}
        trust(config)
        self.connection = Connection(config)
        ((xmin, xmax, taken_at, self.encoding, has_timeline),) = self.connection.query(_SNAPSHOT_SQL)
        timeline = self.connection.query(_TIMELINE_SQL)[0][0] if has_timeline else None
        system = system_identifier(self.connection)
        now = _EPOCH + dt.timedelta(microseconds=int(Decimal(taken_at) * 10**6))
        self.snapshot = Snapshot(system, xmin, xmax, now, timeline)

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
        """Return the tables of `schema` of which the user may read something, by name."""
        return relations.tables(self.connection, schema, self._config.get("stream_prefix", ""))

    def require_tables(self, schema: str) -> tuple[Table, ...]:
        """Return the tables of `schema`; SourceError if the user may read none."""
        found = self.tables(schema)
        if not found:
            raise SourceError(
                f"database {self._config['database']}: {self._config['user']} can read no table in schema {schema!r}. "
                "Check the setting `schema` and the grants: grant usage on schema …, grant select on …"
            )
        return found

    def row_bytes(self, table: Table) -> int:
        """Return the mean size of a row as the source stores it; 0 if nobody knows, and it does not matter."""
        if table.row_bytes or table.bytes < SAMPLED_BYTES or not table.has_versions:
            return table.row_bytes
        if table.sql not in self._sampled:
            share = min(1.0, SAMPLED_BLOCKS / max(table.pages, 1))
            count = f"select count(*) as rows from {table.sql} tablesample system ({share * 100})"  # noqa: S608
            ((rows,),) = self.connection.query(count)
            self._sampled[table.sql] = int(table.bytes * share / rows) if rows else 0
        return self._sampled[table.sql]

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
