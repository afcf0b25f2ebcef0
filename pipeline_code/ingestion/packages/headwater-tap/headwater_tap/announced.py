"""Streams that say where they begin, so that the target can tell whether rows would be lost or doubled.

The target compares that with where its table stands (docs/ingestion.md, exactly once).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from singer_sdk import Stream, Tap
from singer_sdk import typing as th
from singer_sdk.helpers.conform import TypeConformanceLevel

from headwater_tap.selection import ROWS_SENT, withdrawn

POSITIONS_FILE: th.Property[Any] = th.Property(
    "positions_file",
    th.StringType,
    description="JSON file {stream: bookmark} of what the target has committed; it wins over the state.",
)
"""Settings of a tap whose streams are announced."""
REPLACES: th.Property[Any] = th.Property(
    "emit_activate_version_messages",
    th.BooleanType,
    default=True,
    description="Announce a complete read, so that the target replaces what it holds of the stream.",
)


def read_positions(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the committed bookmarks by stream; empty without `positions_file`."""
    path = config.get("positions_file")
    return dict(json.loads(Path(path).read_text(encoding="utf-8"))) if path else {}


class AnnouncedStream(Stream):
    """A stream whose state advances only when it was read to its end: call `finish` after the last record.

    Set `positions` in the constructor. Records hold values in their exact type; the SDK does not touch them.
    """

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE
    positions: Mapping[str, dict[str, Any]]
    sent = 0
    """Records that were sent under the stream's own name: a stream map may leave some out, or call them otherwise."""

    def get_replication_key_signpost(self, context: Any = None) -> None:
        """No signpost: `finish` is given the bookmark as it is to be."""

    def _increment_stream_state(self, latest_record: Any, *, context: Any = None) -> None:
        """No single record moves the bookmark."""

    def announce(self) -> None:
        """Say that the stream is to be read, and from where."""
        if self.name in self.positions and self.replication_method == "INCREMENTAL":
            # What the target has committed wins over what the last run managed to remember.
            self.stream_state.clear()
            self.stream_state.update(self.positions[self.name])
        # Before anything is sent: a target that finds this marker in the last state knows that the stream was cut off.
        withdrawn(self.stream_state)
        self.stream_state["progress_markers"] = {"Note": "This stream has not been read to its end."}
        self.state_manager.is_flushed = False

    def _write_record_message(self, record: Any) -> None:
        for message in self._generate_record_messages(record):
            self._tap.write_message(message)
            self.sent += message.stream == self.name
        self.state_manager.is_flushed = False

    def _write_schema_message(self) -> None:
        self.announce()
        self._write_state_message()
        super()._write_schema_message()
        if self.replication_method == "INCREMENTAL" and self.reads_all() and self.emit_activate_version_messages:
            # As FULL_TABLE always does, a complete read replaces what the target holds.
            self._stream_version = self._initialized_at // 1000
            self._write_activate_version_message(self._stream_version)

    def reads_all(self) -> bool:
        """Return whether this run reads everything: the first does."""
        return self.stream_state.get("replication_key_value") is None

    def finish(self, bookmark: Mapping[str, Any] | None) -> None:
        """Mark the stream as read to its end, and say how many records were sent.

        `bookmark` is where the next run begins, None leaves it.
        """
        self.stream_state.pop("progress_markers", None)
        self.stream_state[ROWS_SENT] = self.sent
        if bookmark is not None:
            self.stream_state.update(bookmark)
        self.state_manager.is_flushed = False


class AnnouncingTap(Tap):
    """A tap that announces all its streams before the first is read.

    If it ends early, the target sees which never came; it would take what came for the whole run, and publish it.
    """

    @cached_property
    def positions(self) -> dict[str, dict[str, Any]]:
        """Committed bookmarks by stream; empty without `positions_file`."""
        return read_positions(self.config)

    def _set_compatible_replication_methods(self) -> None:
        # The SDK's last step before its first STATE message.
        super()._set_compatible_replication_methods()
        for stream in self.streams.values():
            if isinstance(stream, AnnouncedStream) and stream.selected:
                stream.announce()
