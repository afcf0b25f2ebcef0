"""The tap's command: one run over all selected streams, in bulk or as records."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping
from typing import Any

from headwater_tap import apart
from headwater_tap.command import Output, read_positions
from headwater_tap.command import main as command
from headwater_tap.selection import ROWS_SENT, selection, withdrawn

from tap_files.catalog import discovered
from tap_files.errors import FilesError
from tap_files.reading import Reading
from tap_files.settings import PROGRAM
from tap_files.streams import MODIFIED, Files


class Run:
    """One run over all selected streams."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Take the settings, with their defaults."""
        self._config = config
        self._started = int(time.time())
        self._output = Output()
        self._positions = read_positions(config.get("positions_file"))
        self.files = Files(config)

    def close(self) -> None:
        """End the run."""
        self.files.close()

    def discover(self) -> dict[str, Any]:
        """Return the catalog."""
        return {"streams": [discovered(self.files, each, self._positions) for each in self.files.streams()]}

    def sync(self, wanted: Mapping[str, Any] | None, state: Mapping[str, Any]) -> None:
        """Send what the catalog `wanted` selects (None: everything) from where `state` stands."""
        entries = None if wanted is None else {entry["tap_stream_id"]: entry for entry in wanted["streams"]}
        bookmarks = {name: dict(bookmark) for name, bookmark in state.get("bookmarks", {}).items() if bookmark}
        for bookmark in bookmarks.values():
            withdrawn(bookmark)
        now = {"bookmarks": bookmarks}
        chosen: list[Reading] = []
        for stream in self.files.streams():
            selected = None
            if entries is not None:
                selected = selection(entries[stream.name]) if stream.name in entries else None
                if selected is None:
                    logging.info("Skipping deselected stream '%s'.", stream.name)
                    continue
            reading = Reading(self.files, stream, selected, bookmarks.setdefault(stream.name, {}))
            reading.begin(self._positions.get(stream.name))
            chosen.append(reading)
        for file in self.files.left:
            logging.warning("File %s is left out: its format is not read", file.name)
        # All are announced before the first is read: if the tap ends early, the target sees what never came.
        self._output.state(now)
        failed: list[FilesError] = []
        for reading in chosen:
            try:
                reading.prepare()
            except FilesError as error:
                # Nothing of it was sent: the others are loaded, and then the run fails.
                logging.error("%s", error)
                failed.append(error)
                reading.withdraw()
                self._output.state(now)
                continue
            self._send(reading, now)
        if failed:
            raise FilesError(f"{len(failed)} of {len(chosen)} streams were not loaded: {'; '.join(map(str, failed))}")

    def _send(self, reading: Reading, state: dict[str, Any]) -> None:
        name = reading.stream.name
        self._output.write(
            {
                "type": "SCHEMA",
                "stream": name,
                "schema": reading.schema,
                "key_properties": list(reading.stream.key),
                "bookmark_properties": [MODIFIED],
            }
        )
        if reading.is_complete and self._config["emit_activate_version_messages"]:
            self._output.write({"type": "ACTIVATE_VERSION", "stream": name, "version": self._started})
        if (batches := self._config.get("batch_config")) is None:
            for batch in reading.batches():
                self._output.records(name, batch)
        else:
            for each in reading.hand_over(batches):
                self._output.batch(name, *each)
        for message in apart.messages(reading.misfits):
            self._output.write(message)
        reading.end()
        state["bookmarks"][name][ROWS_SENT] = reading.sent
        self._output.state(state)


def main() -> None:
    """Run the tap; exit with 1 and one line of what is wrong with files or settings."""
    try:
        command(PROGRAM, Run)
    except FilesError as error:
        logging.error("%s", error)
        sys.exit(1)


if __name__ == "__main__":
    main()
