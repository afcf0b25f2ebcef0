"""The tap's command: one run over all selected tables, in one snapshot, in bulk or as records."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from headwater_tap.command import Output, read_positions
from headwater_tap.command import main as command
from headwater_tap.marks import NOTES
from headwater_tap.selection import Selection, withdrawn
from headwater_tap.selection import selection as selected

from tap_postgres_arrow import bulk, catalog, share
from tap_postgres_arrow.log_reading import Followed
from tap_postgres_arrow.progress import Resume
from tap_postgres_arrow.reader import Reader
from tap_postgres_arrow.reading import Reading, can_be_loaded
from tap_postgres_arrow.settings import PROGRAM
from tap_postgres_arrow.source import Source, Table
from tap_postgres_arrow.table import collision, doubled


class Run:
    """One run over all selected tables, in one snapshot."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Connect. `config` has its defaults."""
        self._config = config
        self._started = int(time.time())
        self._output = Output()
        shared = share.Settings.of(config)
        self._share = None if shared is None else share.Share(shared, config["share_database"])
        # The log first: all that happened before the snapshot is then in one of the two.
        self._followed = Followed(config) if config.get("publication") else None
        self.source = Source(config)

    def close(self) -> None:
        """End the connections, and the share: its readers would wait for more."""
        if self._share is not None:
            self._share.close()
        self.source.close()
        if self._followed is not None:
            self._followed.close()

    def tables(self) -> Sequence[Table]:
        """Return the tables of the schema, by name; SourceError if there is none."""
        tables = self.source.require_tables(self._config["schema"])
        return tables if self._followed is None else self._followed.described(tables)

    def discover(self) -> dict[str, Any]:
        """Return the catalog."""
        key = self._config["replication_key"]
        return {"streams": [catalog.discovered(each, key, followed=self._follows(each)) for each in self.tables()]}

    def _follows(self, table: Table) -> bool:
        return self._followed is not None and self._followed.has(table)

    def sync(self, wanted: Mapping[str, Any] | None, state: Mapping[str, Any]) -> None:
        """Send what the catalog `wanted` selects (None: everything) from where `state` stands."""
        if wanted is None:
            wanted = self.discover()
        entries = {entry["tap_stream_id"]: entry for entry in wanted["streams"]}
        bookmarks = {name: dict(bookmark) for name, bookmark in state.get("bookmarks", {}).items() if bookmark}
        for bookmark in bookmarks.values():
            withdrawn(bookmark)
        now = {"bookmarks": bookmarks}
        chosen: list[tuple[Reading, Selection]] = []
        notes: dict[str, list[dict[str, str]]] = {}
        window = dt.timedelta(seconds=self._config["late_window_seconds"])
        tables = self.tables()
        found = {name: selected(entry) for name, entry in entries.items()}
        selections = {name: selection for name, selection in found.items() if selection is not None}
        loaded = {**bookmarks, **self._positions}
        if self._followed is not None:
            self._followed.prepare(self.source, tables, frozenset(selections), loaded)
        lost = doubled([each for each in tables if each.stream in selections], loaded)
        for table in tables:
            if table in lost:
                note = collision(table, lost[table])
                logging.warning("%s. %s", note["message"], note["decision"])
                notes.setdefault(lost[table].stream, []).append(note)
                continue
            selection = selections.get(table.stream)
            if selection is None:
                logging.info("Skipping deselected stream '%s'.", table.stream)
                continue
            if not can_be_loaded(table, selection):
                continue
            make = self._followed.reading if self._followed is not None and self._follows(table) else Reading
            reading = make(self.source, table, selection, bookmarks.setdefault(table.stream, {}), window)
            reading.begin(self._positions.get(table.stream))
            chosen.append((reading, selection))
        # All are announced before the first is read: if the tap ends early, the target sees what never came.
        self._output.state(now)
        for reading, selection in chosen:
            self._send(reading, selection, now, notes.get(reading.table.stream, []))

    def _send(
        self, reading: Reading, selection: Selection, state: dict[str, Any], notes: Sequence[Mapping[str, str]]
    ) -> None:
        name = reading.table.stream
        logging.info("Beginning sync of '%s' in %s mode", name, selection.method.lower())
        self._announce(reading.table, selection, notes)
        if reading.is_complete and self._config["emit_activate_version_messages"]:
            self._output.write({"type": "ACTIVATE_VERSION", "stream": name, "version": self._started})
        asides = (self._output.write, lambda: self._output.state(state))
        if (batches := self._config.get("batch_config")) is None:
            for batch in reading.complete(reading.batches, *asides):
                self._output.records(name, batch)
        else:
            readers, resume = self._config["readers"], self._resume(name)
            for each in reading.complete(
                lambda: bulk.hand_over(reading, batches, readers, self._share, resume), *asides
            ):
                self._output.batch(name, *each)
        self._output.state(state)

    def _resume(self, stream: str) -> Resume | None:
        """Return how the progress of a stream is kept: as a BATCH message without a file."""
        if not self._config["resume"]:
            return None

        def tell(progress: Mapping[str, Any]) -> None:
            encoding = {"format": "progress", **progress}
            self._output.write({"type": "BATCH", "stream": stream, "encoding": encoding, "manifest": []})

        return Resume(self._config["checkpoint_seconds"], self._config["piece_bytes"], tell)

    def _announce(self, table: Table, selection: Selection, notes: Sequence[Mapping[str, str]]) -> None:
        message = {
            "type": "SCHEMA",
            "stream": table.stream,
            "schema": {**selection.schema, NOTES: notes} if notes else selection.schema,
            "key_properties": list(selection.key_properties),
        }
        if selection.replication_key is not None:
            message["bookmark_properties"] = [selection.replication_key]
        self._output.write(message)

    @property
    def _positions(self) -> dict[str, dict[str, Any]]:
        return read_positions(self._config.get("positions_file"))


def work_of(config: Mapping[str, Any]) -> Run | Reader:
    """Return the run that a configuration asks for; `config` has its defaults."""
    shared = share.Settings.of(config)
    return Reader(config, shared) if shared is not None and shared.reads else Run(config)


def main() -> None:
    """Run the tap."""
    command(PROGRAM, work_of)


if __name__ == "__main__":
    main()
