"""Pieces of a run's tables that other pods read too: a work queue in the database where Meltano keeps its state.

The leading run posts pieces, reads some itself, and adopts what the other pods have stored; they read until it ends.
A pod that holds a piece has an advisory lock on it, and so has the leading run. When a process or its machine dies, its
session ends, and another pod reads the piece. No transaction stays open, so the database can continue to clean up.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tap_postgres_arrow.engine import CLIENT, SourceError

SERVER = "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"
"""A server whose client is gone with its machine lets go of it in a minute: the queue is that of a dead run."""
POLL_SECONDS = 0.2
LEAST_BYTES = 1 << 30
"""Of a table, as the source stores it, that are worth further pods: one takes ten seconds to start."""
LEADS = -1
"""In place of a piece's number: who has this lock leads the run."""
_TABLES = """
create table if not exists headwater_share (
  id text primary key, seen jsonb not null, began_at timestamptz not null default now()
);
create table if not exists headwater_piece (
  share text not null references headwater_share on delete cascade, number int not null,
  work jsonb not null, result jsonb, primary key (share, number)
)
"""


@dataclass(frozen=True)
class Settings:
    """What `headwater-ingest` says about sharing, in the tap's setting `share`; empty shares nothing.

    `request`: the file in which the tap asks for `pods`. `reads`: whether this run reads for the one that leads.
    """

    id: str
    pods: int = 0
    request: str = ""
    least_bytes: int = LEAST_BYTES
    reads: bool = False

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Settings | None:
        """Return what the tap's configuration says; None where nothing is shared. ValueError for what is no setting."""
        said, database = config.get("share"), config.get("share_database")
        if not said or not str(database).startswith("postgres"):
            return None
        try:
            found = cls(**json.loads(said))
        except (TypeError, ValueError) as error:
            raise ValueError(f"setting share {said!r}: {error}. `headwater-ingest` sets it") from error
        return found if found.reads or found.pods > 0 else None


@dataclass(frozen=True)
class Claim:
    """A piece that this session reads: its number in the share, and how it is read."""

    number: int
    work: Mapping[str, Any]


class Queue:
    """A session with the queue."""

    def __init__(self, database: str, share: str) -> None:
        """Connect to `database`, a URL of libpq; SourceError if it can't be reached."""
        import psycopg2.extensions

        self._failed = psycopg2.Error
        self._share, self._held = share, set[int]()
        url = database.replace("postgresql+psycopg2://", "postgresql://", 1)  # SQLAlchemy's spelling
        try:
            self._connection = psycopg2.connect(url, **psycopg2.extensions.parse_dsn(CLIENT), options=SERVER)
        except psycopg2.Error as error:
            raise SourceError(f"the database of Meltano's state, where pieces are shared: {error}") from error
        self._connection.autocommit = True

    def close(self) -> None:
        """End the session, and with it all that is held."""
        self._connection.close()

    def lead(self, seen: Mapping[str, Any]) -> None:
        """Begin the share. `seen` is what others need to see the same rows. What dead runs have left is removed."""
        self._ask("select pg_advisory_lock(hashtext('headwater_share'))")
        self._ask(_TABLES)
        for (other,) in self._ask("select id from headwater_share"):
            if self._ask("select pg_try_advisory_lock(hashtext(%s), %s)", other, LEADS) == [(True,)]:
                self._ask("delete from headwater_share where id = %s", other)
                self._ask("select pg_advisory_unlock(hashtext(%s), %s)", other, LEADS)
        self._ask("select pg_advisory_lock(hashtext(%s), %s)", self._share, LEADS)
        self._ask("insert into headwater_share values (%s, %s)", self._share, json.dumps(seen))
        self._ask("select pg_advisory_unlock(hashtext('headwater_share'))")

    def end(self) -> None:
        """End the share: whoever reads for it ends, too."""
        self._ask("delete from headwater_share where id = %s", self._share)

    def seen(self) -> dict[str, Any] | None:
        """Return what `lead` was given; None where the share has ended, or its leader."""
        found = self._ask("select seen from headwater_share where id = %s", self._share)
        if not found:
            return None
        if self._take(LEADS):
            self._release(LEADS)
            return None
        return dict(found[0][0])

    def post(self, works: Mapping[int, Mapping[str, Any]], own: Sequence[int]) -> None:
        """Add pieces by their numbers. Those that are `own` are taken already: nobody else gets them."""
        for number in own:
            self._take(number)
        for number, work in works.items():
            self._ask("insert into headwater_piece values (%s, %s, %s)", self._share, number, json.dumps(work))

    def take(self) -> Claim | None:
        """Return a piece that is not read and that nobody reads; None if there is none now."""
        for (number,) in self._open():
            if number in self._held or not self._take(number):
                continue
            found = self._ask(
                "select work from headwater_piece where share = %s and number = %s and result is null",
                self._share, number,
            )  # fmt: skip
            if found:
                return Claim(number, dict(found[0][0]))
            self._release(number)  # somebody ended it just now
        return None

    def done(self, number: int, result: Mapping[str, Any]) -> None:
        """Say what came of a piece that was taken."""
        self._ask(
            "update headwater_piece set result = %s where share = %s and number = %s",
            json.dumps(result), self._share, number,
        )  # fmt: skip
        self._release(number)

    def is_done(self) -> bool:
        """Whether every piece is read."""
        return not self._open()

    def results(self) -> dict[int, dict[str, Any]]:
        """Return what came of the pieces, by number."""
        found = self._ask(
            "select number, result from headwater_piece where share = %s and result is not null order by number",
            self._share,
        )
        return {number: dict(result) for number, result in found}

    def clear(self) -> None:
        """Remove all pieces; who still reads one reads it in vain."""
        self._ask("delete from headwater_piece where share = %s", self._share)
        for number in list(self._held):
            self._release(number)

    def _open(self) -> list[tuple[Any, ...]]:
        return self._ask(
            "select number from headwater_piece where share = %s and result is null order by number", self._share
        )

    def _take(self, number: int) -> bool:
        taken = self._ask("select pg_try_advisory_lock(hashtext(%s), %s)", self._share, number) == [(True,)]
        if taken:
            self._held.add(number)
        return taken

    def _release(self, number: int) -> None:
        self._held.discard(number)
        self._ask("select pg_advisory_unlock(hashtext(%s), %s)", self._share, number)

    def _ask(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(sql, values or None)
                return list(cursor.fetchall()) if cursor.description is not None else []
        except self._failed as error:
            raise SourceError(f"the database of Meltano's state, where pieces are shared: {error}") from error


class Share:
    """The share that a run leads: one queue for all its tables."""

    def __init__(self, settings: Settings, database: str) -> None:
        """Connect to nothing before the first large table."""
        self.settings, self._database = settings, database
        self._queue: Queue | None = None
        self._next = 0

    def begin(self, seen: Mapping[str, Any]) -> Queue:
        """Return the queue; the first call begins the share, and asks for its pods."""
        if self._queue is None:
            self._queue = Queue(self._database, self.settings.id)
            self._queue.lead(seen)
            wanted = Path(self.settings.request)
            half = wanted.with_name(wanted.name + ".part")
            half.write_text(json.dumps({"share": self.settings.id, "pods": self.settings.pods}), encoding="utf-8")
            half.rename(wanted)
            # Whoever waits for the file looks for it at each line of the log.
            logging.getLogger(__name__).info("Asking for %d pods to read with this one", self.settings.pods)
        return self._queue

    def is_worth(self, table_bytes: int) -> bool:
        """Whether a table of that size, as the source stores it, is worth further pods."""
        return table_bytes >= self.settings.least_bytes

    def numbers(self, count: int) -> list[int]:
        """Return numbers for so many pieces, never given before: a late result is not taken for another piece's."""
        self._next += count
        return list(range(self._next - count, self._next))

    def close(self) -> None:
        """End the share, if it has begun. Where its database does not answer, the end of the session does as well."""
        if self._queue is not None:
            with contextlib.suppress(SourceError):
                self._queue.end()
            self._queue.close()
