"""The engine that reads PostgreSQL: DuckDB with its postgres extension, in one connection and one snapshot."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    import pyarrow as pa

EXTENSION_PACKAGE = "duckdb_extension_postgres_scanner"
"""Package that carries the extension as a file: nothing is downloaded at run time."""

UNCHECKED = "SQL_ASCII"
"""Encoding of databases that take any bytes as text: neither they nor the engine say what is no UTF-8."""
CLIENT = (
    "application_name=headwater-ingestion connect_timeout=15 "
    # A network that swallows packets is noticed in a minute, whether an answer is waited for or a question was sent.
    "keepalives_idle=30 keepalives_interval=10 keepalives_count=3 tcp_user_timeout=60000"
)
"""How libpq connects: its own parameters."""
SESSION: dict[str, str] = {
    # One value has one text, whatever server, database and role prefer: in a complete read and in the log.
    "datestyle": "'ISO, MDY'",
    "intervalstyle": "'postgres'",
    "timezone": "'UTC'",
    "bytea_output": "'hex'",
    "extra_float_digits": "'1'",
    "search_path": "''",  # names of tables and types, as values, have their schema
    "quote_all_identifiers": "'off'",
    "standard_conforming_strings": "'on'",  # `literal` below
    # Amounts of money keep their number of decimals, which only the source's own locale tells: C has two.
    "lc_monetary": "case scale('0'::money::numeric) when 2 then 'C' else current_setting('lc_monetary') end",
    # Text of an unchecked database is no UTF-8 for certain: unfit.py looks for what is not.
    "client_encoding": f"case current_setting('server_encoding') when '{UNCHECKED}' then '{UNCHECKED}' else 'UTF8' end",
    # Rows that the role may not see are an error, never a shorter table.
    "row_security": "'off'",
    # How long a table is waited for that a migration of the source has locked.
    "lock_timeout": "'10min'",
    # A server whose client is gone with its machine lets go of it in a minute.
    "tcp_keepalives_idle": "'30'",
    "tcp_keepalives_interval": "'10'",
    "tcp_keepalives_count": "'3'",
}
"""Settings of each connection, as SQL. They are set in its transaction: a pooler such as PgBouncer refuses start-up
parameters, and would leave other settings to its next client."""

Row = tuple[Any, ...]


class SourceError(RuntimeError):
    """The source could not be reached or read."""


def extension() -> Path:
    """Return the extension's file for the installed DuckDB; SourceError if its package is missing or of another one."""
    spec = find_spec(EXTENSION_PACKAGE)
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    for folder in folders:
        for found in Path(folder).glob(f"extensions/v{duckdb.__version__}/*.duckdb_extension"):
            return found
    raise SourceError(
        f"DuckDB {duckdb.__version__} has no postgres extension: install {EXTENSION_PACKAGE} of its version"
    )


class Connection:
    """A read-only, repeatable-read transaction on the source. Close it after the run."""

    def __init__(self, config: Mapping[str, Any], snapshot: str | None = None) -> None:
        """Connect; SourceError says which server did not answer, without the password.

        `snapshot`, as `export_snapshot` of another connection returns it, is what this one then sees, too.
        """
        self._place = f"{config['host']}:{config['port']}/{config['database']} as {config['user']}"
        # One thread: a connection is one COPY. Two would wait for each other in a loop that never sleeps, and readers
        # of one table are engines of their own (bulk.py).
        self._duck = duckdb.connect(
            config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false", "threads": "1"}
        )
        self._duck.load_extension(str(extension()))
        self._duck.execute("set TimeZone = 'UTC'")
        # After two seconds of a query it would be drawn on standard output, between the tap's messages.
        self._duck.execute("set enable_progress_bar = false")
        secret = {name: literal(str(config[name])) for name in ("host", "port", "database", "user", "password")}
        options = f"{CLIENT} sslmode={config['sslmode']}"
        try:
            # A secret, not a connection string: DuckDB's errors repeat the string.
            self._duck.execute(
                "create temporary secret source (type postgres, "
                + ", ".join(f"{name} {value}" for name, value in secret.items())
                + ")"
            )
            self._duck.execute(f"attach {literal(options)} as source (type postgres, read_only, secret source)")
            self._duck.execute("begin transaction")
            if snapshot is not None:
                self._execute(f"set transaction snapshot '{snapshot}'")
            self._execute(
                "select " + ", ".join(f"set_config('{name}', {value}, true)" for name, value in SESSION.items())
            )
            self._backend = self.backend()
        except duckdb.Error as error:
            raise SourceError(f"PostgreSQL at {self._place}: {error}") from error

    def backend(self) -> Row:
        """Return process and isolation level of the server's end of the connection."""
        (row,) = self.query("select pg_backend_pid() pid, current_setting('transaction_isolation') isolation")
        return row

    def export_snapshot(self) -> str:
        """Return the name under which other connections can see what this one does, until it is closed."""
        ((name,),) = self.query("select pg_export_snapshot() as name")
        return str(name)

    def interrupt(self) -> None:
        """End what another thread does on this connection."""
        self._duck.interrupt()

    def _execute(self, statement: str) -> None:
        self._duck.execute("call postgres_execute('source', ?)", [statement])

    def query(self, sql: str) -> list[Row]:
        """Return the rows of a query with distinct column names; SourceError if it fails."""
        try:
            return self._duck.execute("select * from postgres_query('source', ?)", [sql]).fetchall()
        except duckdb.Error as error:
            raise SourceError(f"PostgreSQL at {self._place}: {error}") from error

    def stream(self, sql: str, rows: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a query in Arrow batches of up to `rows`. Raises SourceError."""
        try:
            found = self._duck.execute("select * from postgres_query('source', ?)", [sql])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                reader = found.to_arrow_reader(rows)
            yield from reader
        except (duckdb.Error, OSError) as error:
            raise SourceError(f"PostgreSQL at {self._place}: {error}") from error
        self._check_backend()

    def copy(self, sql: str, items: str, path: str, options: str) -> tuple[int, dict[str, dict[str, str]]]:
        """Write `items` of the rows of a query into the Parquet file or pipe at `path`, with COPY's `options`.

        Returns the number of rows and the statistics of each column by name, as text: min and max (missing without a
        value), null_count.
        Raises SourceError; also when nobody reads the pipe any more.
        """
        target = f"to {literal(path)} (format parquet, return_stats, use_tmp_file false, {options})"
        try:
            query = f"copy (select {items} from postgres_query('source', ?)) {target}"  # noqa: S608 - see Table.query
            (written,) = self._duck.execute(query, [sql]).fetchall()
        except duckdb.Error as error:
            raise SourceError(f"PostgreSQL at {self._place}: {error}") from error
        self._check_backend()
        return int(written[1]), {name[1:-1].replace('""', '"'): column for name, column in written[4].items()}

    def _check_backend(self) -> None:
        """Raise SourceError unless the same server process still holds the same transaction.

        A connection that is lost, or a query that is cancelled, must never look like a shorter table.
        """
        if (backend := self.backend()) != self._backend:
            raise SourceError(f"PostgreSQL at {self._place}: the connection was replaced midway ({backend})")

    def close(self) -> None:
        """End the transaction and the connection, be it there or lost."""
        # On a lost connection the rollback fails; left to close(), that aborts the process without a message.
        with contextlib.suppress(duckdb.Error):
            self._duck.execute("rollback")
        self._duck.close()


def literal(text: str) -> str:
    """Return an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"
