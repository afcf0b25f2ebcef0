"""The target: settings, and when what is committed."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from functools import cached_property
from types import FrameType
from typing import Any, ClassVar

from pyiceberg.catalog import Catalog, load_catalog
from singer_sdk import Target
from singer_sdk import typing as th
from singer_sdk.contrib.msgspec import MsgSpecReader
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TargetCapabilities

from target_iceberg.load import Load
from target_iceberg.position import settled
from target_iceberg.report import report
from target_iceberg.sink import IcebergSink
from target_iceberg.types import iceberg_schema, table_name


class IncompleteStreamError(RuntimeError):
    """The input ended, or a commit failed, before some streams were complete; the others are loaded."""


class TargetIceberg(Target):
    """Loads every stream in one Iceberg commit at the end of input, and only then lets go of the Singer state.

    The catalog is pyiceberg's own configuration (PYICEBERG_CATALOG__<NAME>__… or .pyiceberg.yaml).
    """

    name = "target-iceberg"
    package_name = "target-headwater-iceberg"
    default_sink_class = IcebergSink
    message_reader_class = MsgSpecReader
    _MAX_RECORD_AGE_IN_MINUTES = float("inf")  # rows become visible when their stream is complete, not by the clock
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        *Target.capabilities,
        PluginCapabilities.BATCH,
        PluginCapabilities.ACTIVATE_VERSION,
        TargetCapabilities.TARGET_SCHEMA,
    ]

    config_jsonschema = th.PropertiesList(
        th.Property("catalog", th.StringType, default="lake", description="Name in pyiceberg's configuration."),
        th.Property("namespace", th.StringType, default="raw", description="Namespace of the tables."),
    ).to_dict()

    def __init__(self, **options: Any) -> None:
        """Take the SDK's options."""
        self._loads: dict[str, Load] = {}
        self._bookmarks: dict[str, Any] = {}
        self._open_streams: set[str] = set()
        self._run_id = str(uuid.uuid4())
        super().__init__(**options)
        self.max_parallelism = 1  # one stream at a time bounds the memory

    @cached_property
    def iceberg_catalog(self) -> Catalog:
        """The catalog, connected on first use."""
        return load_catalog(self.config["catalog"])

    def load_for(self, stream: str, schema: Mapping[str, Any], keys: Sequence[str]) -> Load:
        """Return the stream's load: begun with its first schema, continued with a changed one."""
        wanted = iceberg_schema(stream, schema, keys)
        load = self._loads.get(stream)
        if load is None:
            loaded_at = dt.datetime.fromtimestamp(self.initialized_at / 1000, tz=dt.UTC)
            namespace = self.config["namespace"]
            before = self._state_of(stream)
            load = Load(
                self.iceberg_catalog,
                namespace,
                table_name(stream),
                stream=stream,
                run_id=self._run_id,
                loaded_at=loaded_at,
                schema=wanted,
                start=settled(before) if _announces(before) else None,
            )
            self._loads[stream] = load
            self._bookmarks[stream] = before
        else:
            load.evolve(wanted)
        return load

    # Messages: a stream is open from its data on until a STATE message follows.

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        self._open_streams.add(message_dict["stream"])
        super()._process_record_message(message_dict)

    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        self._open_streams.add(message_dict["stream"])
        super()._process_batch_message(message_dict)

    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        # Not the SDK's: it would add _sdc columns to mark deleted rows, which a replaced table does not need.
        self._open_streams.add(message_dict["stream"])
        for stream_map in self.mapper.stream_maps[message_dict["stream"]]:
            sink = self.get_sink(stream_map.stream_alias)
            if sink.process_activate_version_messages:
                sink.activate_version(message_dict["version"])

    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        super()._process_state_message(message_dict)
        self._open_streams.clear()

    def process_endofpipe(self) -> None:
        """Commit each complete stream, report it, then emit the state.

        Raises IncompleteStreamError after that if a stream was cut off or could not be committed; its bookmark is
        emitted as it was before the run.
        """
        for sink in [*self._sinks_to_clear, *self._sinks_active.values()]:
            self.drain_one(sink)
        failures: dict[str, str] = {}
        for stream, load in self._loads.items():
            try:
                self._finish(stream, load)
            except Exception as error:  # one stream's failure must not keep the others' state back
                self.logger.exception("stream %s was not loaded", stream)
                failures[stream] = str(error)
                load.discard()
                self._revert_bookmark(stream, load)
        super().process_endofpipe()
        if failures:
            raise IncompleteStreamError("; ".join(f"stream {name}: {reason}" for name, reason in failures.items()))

    def _finish(self, stream: str, load: Load) -> None:
        state = self._state_of(stream)
        if _announces(state) or (load.replaces and stream in self._open_streams):
            raise IncompleteStreamError("the input ended before the stream did; its rows were not committed")
        result = load.commit(settled(state))
        if result.rows == 0 and _announces(self._bookmarks[stream]) and (stands := load.position()) is not None:
            self._set_bookmark(stream, stands)  # nothing was committed: the next run begins where the table stands
        report(stream, result)
        self.logger.info(
            "%s: %d rows in %d files, %.1f MB, %.1f s, snapshot %s",
            result.table, result.rows, result.files, result.bytes / 1e6, result.seconds, result.snapshot_id,
        )  # fmt: skip

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """End without a commit and without a state: the next run starts where this one did."""
        for load in self._loads.values():
            load.discard()
        raise SystemExit(128 + signum)

    # State

    def _state_of(self, stream: str) -> Any:
        return ((self._latest_state or {}).get("bookmarks") or {}).get(stream)

    def _revert_bookmark(self, stream: str, load: Load) -> None:
        """Let go of where the table stands, or, if that can't be told, of the bookmark from before the run."""
        try:
            stands = load.position()
        except Exception:
            self.logger.exception("stream %s: the table could not be asked where it stands", stream)
            stands = None
        self._set_bookmark(stream, settled(self._bookmarks[stream]) if stands is None else stands)

    def _set_bookmark(self, stream: str, bookmark: dict[str, Any]) -> None:
        bookmarks = (self._latest_state or {}).get("bookmarks")
        if not isinstance(bookmarks, dict):
            return
        if bookmark:
            bookmarks[stream] = bookmark
        else:
            bookmarks.pop(stream, None)


def _announces(bookmark: Any) -> bool:
    """Whether a bookmark says that its stream is being read: our tap marks it so before the first row.

    What else the bookmark holds is then where the tap began.
    """
    return isinstance(bookmark, dict) and "progress_markers" in bookmark


if __name__ == "__main__":
    TargetIceberg.cli()
