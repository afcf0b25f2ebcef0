"""The replication slot: finds it or makes it, and moves it past what the lake has."""

from __future__ import annotations

import logging
import re
import time

from tap_postgres_arrow.engine import Connection, SourceError, literal
from tap_postgres_arrow.source import system_identifier

WAIT_SECONDS = 600.0
"""How long a new slot waits for transactions in progress; making it waits for the older ones anyway."""
_POLL_SECONDS = 0.1

_RUNNING = """
select distinct transactionid::text as number from pg_locks
where locktype = 'transactionid' and mode = 'ExclusiveLock' and granted
"""


def find_or_make(connection: Connection, wanted: str, logger: logging.Logger) -> str:
    """Return the name of our newest slot that still has its log, `<wanted>_<position>`; without one, make it.

    A lost slot is dropped. Raises SourceError, also where transactions in progress don't end.
    """
    rows = connection.query(
        "select slot_name::text as name, coalesce(wal_status, 'lost') as status from pg_replication_slots "  # noqa: S608
        f"where plugin = 'pgoutput' and database = current_database() and starts_with(slot_name, {literal(wanted)})"
    )
    ours = {str(name): str(status) for name, status in rows if re.fullmatch(f"{re.escape(wanted)}_[0-9a-f]+", name)}
    for name in [name for name, status in ours.items() if status == "lost"]:
        logger.warning("slot %s lost its log (max_slot_wal_keep_size): its tables are read anew", name)
        del ours[name]
        connection.query(f"select pg_drop_replication_slot({literal(name)})::text as gone")
    return max(ours, key=lambda name: (len(name), name), default=None) or _make(connection, wanted, logger)


def _make(connection: Connection, wanted: str, logger: logging.Logger) -> str:
    """Make a slot from whose beginning on no commit is missing that a snapshot taken later does not see.

    A commit stands in the log before anybody sees it, with a synchronous standby for as long as that takes. The slot
    does not have what was committed before it: it is made for this session only, and copied once nobody waits.
    """
    ((flushed, process),) = connection.query(
        "select (pg_current_wal_flush_lsn() - '0/0')::bigint as flushed, pg_backend_pid() as process"
    )
    draft = f"{wanted}_draft_{process}"
    connection.query(
        f"select lsn::text as lsn from pg_create_logical_replication_slot({literal(draft)}, 'pgoutput', true)"  # noqa: S608
    )
    outlast(connection, _RUNNING, "a slot is made", logger)
    # Named for where it begins: a slot made anew lacks what its predecessor had, and no bookmark fits it.
    name = f"{wanted}_{flushed:x}"
    connection.query(
        f"select lsn::text as lsn from pg_copy_logical_replication_slot({literal(draft)}, {literal(name)}, false)"  # noqa: S608
    )
    connection.query(f"select pg_drop_replication_slot({literal(draft)})::text as gone")
    logger.info("made slot %s", name)
    return name


def outlast(connection: Connection, transactions: str, why: str, logger: logging.Logger) -> None:
    """Wait until all that a query names now has gone from its answer. Raises SourceError after WAIT_SECONDS."""
    waited_for = {name for (name,) in connection.query(transactions)}
    if waited_for:
        logger.info("%s: waiting for the end of transactions %s", why, ", ".join(sorted(waited_for)))
    end = time.monotonic() + WAIT_SECONDS
    while running := waited_for & {name for (name,) in connection.query(transactions)}:
        if time.monotonic() > end:
            raise SourceError(
                f"{why}, and transactions {', '.join(sorted(running))} have been in progress for {WAIT_SECONDS:.0f} "
                "seconds (pg_stat_activity says whose they are). End them, or wait for their end, and run again"
            )
        time.sleep(_POLL_SECONDS)


def release(connection: Connection, name: str, lsn: int) -> None:
    """Let the source throw away its log before `lsn`; a slot never goes back."""
    end = literal(printed(lsn))
    connection.query(
        f"select case when confirmed_flush_lsn < {end}::pg_lsn then "  # noqa: S608
        f"(select end_lsn::text from pg_replication_slot_advance({literal(name)}, {end})) end as moved "
        f"from pg_replication_slots where slot_name = {literal(name)}"
    )


def flushed(connection: Connection) -> int:
    """Return up to where the log can be read now."""
    ((lsn,),) = connection.query("select (pg_current_wal_flush_lsn() - '0/0')::bigint as flushed")
    return int(lsn)


def printed(lsn: int) -> str:
    """Return a position in the log as PostgreSQL writes it."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def identity(connection: Connection) -> tuple[str | None, str]:
    """Return the server's identifier (None if the user may not ask) and the timeline that it writes."""
    ((timeline,),) = connection.query("select substr(pg_walfile_name(pg_current_wal_flush_lsn()), 1, 8) as timeline")
    return system_identifier(connection), str(timeline)
