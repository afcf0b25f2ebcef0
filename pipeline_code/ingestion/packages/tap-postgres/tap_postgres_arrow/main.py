"""The tap's command: a run that sends bulk messages only, or discovery, without the SDK.

Importing the SDK costs as much CPU as reading a million rows. What is not done here is left to its classes (tap.py,
stream.py): records, stream maps, --about, --test, and telling what is wrong with a configuration. Both say the same
messages (test_bulk.py), read through reading.py and hand over through bulk.py.
"""

from __future__ import annotations

import datetime as dt
import logging
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from headwater_tap.command import Output, parse, read_config, run
from headwater_tap.selection import Selection
from headwater_tap.selection import selection as selected

from tap_postgres_arrow import bulk, catalog, settings, share
from tap_postgres_arrow.log_reading import Followed
from tap_postgres_arrow.reader import Reader
from tap_postgres_arrow.reading import Reading, can_be_loaded
from tap_postgres_arrow.source import Source, Table

NAME = "tap-postgres-arrow"


class BulkRun:
    """One run over all selected tables, in one snapshot."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Connect. `config` is what `settings.for_bulk` returned."""
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
            bookmark.pop("progress_markers", None)
        now = {"bookmarks": bookmarks}
        chosen: list[tuple[Reading, Selection]] = []
        window = dt.timedelta(seconds=self._config["late_window_seconds"])
        tables = self.tables()
        found = {name: selected(entry) for name, entry in entries.items()}
        selections = {name: selection for name, selection in found.items() if selection is not None}
        if self._followed is not None:
            self._followed.prepare(self.source, tables, frozenset(selections), {**bookmarks, **self._positions})
        for table in tables:
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
            self._send(reading, selection, now)

    def _send(self, reading: Reading, selection: Selection, state: dict[str, Any]) -> None:
        name = reading.table.stream
        logging.info("Beginning sync of '%s' in %s mode", name, selection.method.lower())
        self._announce(reading.table, selection)
        if reading.is_complete and self._config["emit_activate_version_messages"]:
            self._output.write({"type": "ACTIVATE_VERSION", "stream": name, "version": self._started})
        for layout, manifest in reading.complete(
            lambda: bulk.hand_over(reading, self._config["batch_config"], self._config["readers"], self._share),
            self._output.write,
            lambda: self._output.state(state),
        ):
            self._output.write({"type": "BATCH", "stream": name, "encoding": {"format": layout}, "manifest": manifest})
        self._output.state(state)

    def _announce(self, table: Table, selection: Selection) -> None:
        message = {
            "type": "SCHEMA",
            "stream": table.stream,
            "schema": selection.schema,
            "key_properties": list(selection.key_properties),
        }
        if selection.replication_key is not None:
            message["bookmark_properties"] = [selection.replication_key]
        self._output.write(message)

    @property
    def _positions(self) -> dict[str, dict[str, Any]]:
        return settings.read_positions(self._config.get("positions_file"))


def work_of(config: Mapping[str, Any]) -> BulkRun | Reader:
    """Return the run that a configuration, as `settings.for_bulk` returned it, asks for."""
    shared = share.Settings.of(config)
    return Reader(config, shared) if shared is not None and shared.reads else BulkRun(config)


def main() -> None:
    """Run the tap."""
    options = parse(sys.argv[1:])
    config = None
    if options is not None and options.config:
        config = settings.for_bulk(read_config(options))
    if options is None or config is None:
        from tap_postgres_arrow.tap import TapPostgresArrow

        TapPostgresArrow.cli()
        return
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s | %(levelname)-8s | {NAME} | %(message)s")
    run(work_of(config), options)


if __name__ == "__main__":
    main()
