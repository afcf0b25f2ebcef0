"""A run that reads pieces of another run's tables, in that run's snapshot, until it ends (share.py)."""

from __future__ import annotations

import logging
import sys
import time
import uuid
from collections.abc import Mapping
from typing import Any

from headwater_tap import bulk, handover
from headwater_tap.command import Output

from tap_postgres_arrow.engine import Connection, SourceError
from tap_postgres_arrow.parquet import Statement
from tap_postgres_arrow.share import POLL_SECONDS, Claim, Queue, Settings
from tap_postgres_arrow.source import connected
from tap_postgres_arrow.trust import trust


class Reader:
    """Reads piece after piece. Its target stores them beside the table, and commits nothing."""

    def __init__(self, config: Mapping[str, Any], settings: Settings) -> None:
        """Connect to nothing yet. `config` is what `settings.PROGRAM.checked` returned."""
        self._config, self._settings = config, settings
        self._output = Output()
        self._queue: Queue | None = None

    def close(self) -> None:
        """End the session: what it holds is free for others."""
        if self._queue is not None:
            self._queue.close()

    def discover(self) -> dict[str, Any]:
        """Return no stream: pieces say themselves what they are."""
        return {"streams": []}

    def sync(self, _wanted: Mapping[str, Any] | None, _state: Mapping[str, Any]) -> None:
        """Read until the run that leads has ended. Raises SourceError."""
        queue = self._queue = Queue(self._config["share_database"], self._settings.id)
        connection = self._connection(queue)
        if connection is None:
            logging.info("The run that asked for readers has ended.")
            return
        try:
            while queue.seen() is not None:
                claim = queue.take()
                if claim is None:
                    time.sleep(POLL_SECONDS)
                else:
                    queue.done(claim.number, self._read(connection, claim))
        finally:
            connection.close()

    def _connection(self, queue: Queue) -> Connection | None:
        seen = queue.seen()
        if seen is None:
            return None
        trust(self._config)
        try:
            return connected(self._config, **seen)
        except SourceError:
            if queue.seen() is None:  # it ended just now, and its snapshot with it
                return None
            raise

    def _read(self, connection: Connection, claim: Claim) -> dict[str, Any]:
        """Read a piece, and have the target store it; return where it is, and its statistics."""
        stream, statement = claim.work["stream"], Statement(**claim.work["statement"])
        # What a reader that was given up still writes never gets in the way of its successor's file.
        place = {**claim.work["place"], "number": claim.number, "attempt": uuid.uuid4().hex[:8]}
        root, name = bulk.place(stream, self._config["batch_config"])
        logging.info("Reading piece %d of '%s'", claim.number, stream)
        with (
            handover.named_pipe(root / f"{name}-{uuid.uuid4()}.pipe") as path,
            handover.answer_beside(path) as answer,
        ):
            self._output.write(
                {
                    "type": "BATCH",
                    "stream": stream,
                    "encoding": {"format": "piece", "place": place},
                    "manifest": [path.as_uri()],
                }
            )
            sys.stdout.flush()
            with handover.watched(path):
                rows, statistics = statement.write(connection, path)
            return {"path": answer.read()["path"], "rows": rows, "statistics": statistics}
