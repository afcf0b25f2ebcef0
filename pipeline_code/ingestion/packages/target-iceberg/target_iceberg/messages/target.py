"""The target as the Singer SDK sees it: settings described, records, stream maps. main.py is its command."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from functools import cached_property
from types import FrameType
from typing import IO, Any, ClassVar, cast

from singer_sdk import Target
from singer_sdk import typing as th
from singer_sdk.contrib.msgspec import MsgSpecReader
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TargetCapabilities

from target_iceberg import lake
from target_iceberg.messages.sink import IcebergSink
from target_iceberg.quarantine import rejected as quarantine
from target_iceberg.run import IncompleteStreamError, Run
from target_iceberg.settings import DEFAULTS, PUBLISH, Settings

__all__ = ["IncompleteStreamError", "TargetIceberg"]


class TargetIceberg(Target):
    """Publishes all streams' rows together at the end of input, and only then lets go of the Singer state.

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
        th.Property(
            "catalog", th.StringType, default=DEFAULTS["catalog"], description="Name in pyiceberg's configuration."
        ),
        th.Property("namespace", th.StringType, default=DEFAULTS["namespace"], description="Namespace of the tables."),
        th.Property(
            "contracts",
            th.StringType,
            description="Folder of contracts, <source>/<table>.yml; streams without one are loaded with the defaults.",
        ),
        th.Property(
            "publish",
            th.StringType,
            default=DEFAULTS["publish"],
            allowed_values=list(PUBLISH),
            description="together: readers see all streams of a run at once, or none. each: every stream by itself.",
        ),
    ).to_dict()

    def __init__(self, *, run: Run | None = None, **options: Any) -> None:
        """Take the SDK's options. A `run` that was begun without the SDK is continued."""
        self._begun = run
        super().__init__(**options)
        self.max_parallelism = 1  # one stream at a time bounds the memory

    @cached_property
    def run(self) -> Run:
        """The run that takes all messages; connects to the catalog."""
        if self._begun is not None:
            return self._begun
        settings = Settings.of(self.config)
        loaded_at = dt.datetime.fromtimestamp(self.initialized_at / 1000, tz=dt.UTC)
        return Run(settings, lake.connect(settings.catalog), loaded_at)

    def go_on(self, schemas: Iterable[dict[str, Any]], lines: Iterator[str]) -> None:
        """Take the rest of an input whose beginning, with `schemas`, the run has taken already."""
        self._latest_state = self.run.state
        for message in schemas:
            self._process_schema_message(message)
        self.listen(cast(IO[str], lines))

    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        if not quarantine.is_announced(message_dict):
            super()._process_schema_message(message_dict)

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        if message_dict["stream"] == quarantine.STREAM:
            self.run.set_aside(message_dict["record"])
            return
        self.run.opens(message_dict["stream"])
        super()._process_record_message(message_dict)

    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        self.run.opens(message_dict["stream"])
        super()._process_batch_message(message_dict)

    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        # Not the SDK's: it would add _sdc columns to mark deleted rows, which a replaced table does not need.
        self.run.opens(message_dict["stream"])
        for stream_map in self.mapper.stream_maps[message_dict["stream"]]:
            sink = self.get_sink(stream_map.stream_alias)
            if sink.process_activate_version_messages:
                sink.activate_version(message_dict["version"])

    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        super()._process_state_message(message_dict)
        self.run.take_state(message_dict["value"], self.drain)
        self._latest_state = self.run.state

    def drain(self, stream: str) -> None:
        """Hand the records that a stream's sinks hold on to its intake."""
        for sink in [*self._sinks_to_clear, *self._sinks_active.values()]:
            if sink.stream_name == stream:
                self.drain_one(sink)

    def process_endofpipe(self) -> None:
        """Publish, then emit the state. Raises what `Run.raise_for` raises after that."""
        for sink in [*self._sinks_to_clear, *self._sinks_active.values()]:
            self.drain_one(sink)
        failures = self.run.finish()
        super().process_endofpipe()
        self.run.raise_for(failures)

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """End without a commit and without a state: the next run starts where this one did."""
        self.run.discard()
        raise SystemExit(128 + signum)
