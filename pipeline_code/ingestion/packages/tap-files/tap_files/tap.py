"""The tap as the Singer SDK sees it: settings described, records, stream maps. main.py is its command."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from headwater_tap import apart
from headwater_tap.announced import POSITIONS_FILE, REPLACES, AnnouncedStream, AnnouncingTap
from headwater_tap.command import FORMATS
from headwater_tap.sdk import plain, selected, write_apart
from headwater_tap.selection import INCREMENTAL
from singer_sdk import typing as th
from singer_sdk.contrib.msgspec import MsgSpecWriter
from singer_sdk.helpers._batch import BaseBatchFileEncoding, BatchConfig

from tap_files.reading import Reading
from tap_files.settings import DEFAULTS
from tap_files.streams import MODIFIED, Files, FileStream

_STREAM = th.ObjectType(
    th.Property("files", th.StringType, description="Pattern of paths below the root, in place of the rule of names."),
    th.Property("delimiter", th.StringType, description="What separates values; a tab is \\t."),
    th.Property("quote", th.StringType, description="What encloses a value."),
    th.Property("escape", th.StringType, description="What stands before a quote within a value."),
    th.Property("encoding", th.StringType, description="Encoding, by Python's name."),
    th.Property("decimal", th.StringType, description="What stands before the fraction of a number: . or ,"),
    th.Property("header", th.BooleanType, description="Whether the first line names the columns."),
    th.Property("skip", th.IntegerType, description="Lines before it."),
    th.Property("comment", th.StringType, description="What lines before it begin with that are passed over."),
    th.Property("null", th.ArrayType(th.StringType), description="Texts without quotes that are no value."),
    th.Property("leave_out", th.BooleanType, description="Whether the stream is not read."),
)


class FilesStream(AnnouncedStream):
    """The files of one stream, read by `Reading`."""

    def __init__(self, tap: TapFiles, stream: FileStream) -> None:
        """Look at the new files: the schema is theirs."""
        self.positions = tap.positions
        state = dict(tap.state.get("bookmarks", {}).get(stream.name, {}))
        reading = Reading(tap.files, stream, None, state)
        reading.begin(self.positions.get(stream.name))
        reading.prepare()
        self._files, self._stream, self._found = tap.files, stream, reading
        super().__init__(tap, schema=reading.schema, name=stream.name)
        self.primary_keys = list(stream.key)
        self.replication_key = MODIFIED

    @cached_property
    def _reading(self) -> Reading:
        selection = selected(self)
        if self.replication_method == INCREMENTAL:
            self._found.choose(selection, self.stream_state)
            return self._found
        reading = Reading(self._files, self._stream, selection, self.stream_state)
        reading.prepare()
        return reading

    def reads_all(self) -> bool:
        """Return whether this run reads everything."""
        return self._reading.is_complete

    def get_records(self, context: Any) -> Iterable[dict[str, Any]]:  # noqa: ARG002
        """Yield rows as JSON-ready dictionaries: numbers as Decimal, dates and times in ISO 8601."""
        reading = self._reading
        for batch in reading.batches():
            for row in batch.to_pylist():
                yield plain(row)
        self._end()

    def get_batches(
        self,
        batch_config: BatchConfig,  # noqa: ARG002 - the same, in the SDK's class
        context: Any = None,  # noqa: ARG002
    ) -> Iterable[tuple[BaseBatchFileEncoding, list[str]]]:
        """Yield what holds the rows."""
        for layout, manifest in self._reading.hand_over(self.config["batch_config"]):
            yield BaseBatchFileEncoding(format=layout), manifest
        self._end()

    def _end(self) -> None:
        reading = self._reading
        for message in apart.messages(reading.misfits):
            write_apart(self._tap, message)
        reading.end()
        self.state_manager.is_flushed = False


class TapFiles(AnnouncingTap):
    """Replicates CSV, JSON lines and Parquet files below a folder or a prefix of an object store."""

    name = "tap-files"
    package_name = "tap-headwater-files"
    dynamic_catalog = True
    message_writer_class = MsgSpecWriter

    config_jsonschema = th.PropertiesList(
        th.Property("path", th.StringType, required=True, description="s3://bucket/prefix, or a folder."),
        th.Property(
            "stream_prefix",
            th.StringType,
            default=DEFAULTS["stream_prefix"],
            description="What the streams' names begin with: names of tables in the lake are unique.",
        ),
        th.Property(
            "streams",
            th.ObjectType(additional_properties=_STREAM),
            default={},
            description="What is said of single streams, by name without the prefix; the rest is found out.",
        ),
        th.Property("contracts", th.StringType, description="Folder of contracts, which pin the columns' types."),
        th.Property("s3_endpoint", th.StringType, description="Address of the object store; unset is AWS."),
        th.Property("s3_region", th.StringType, description="Its region; unset is the bucket's."),
        th.Property("s3_access_key_id", th.StringType, description="Key; unset is AWS's own chain."),
        th.Property("s3_secret_access_key", th.StringType, secret=True, description="The key's secret."),
        th.Property(
            "batch_config",
            th.ObjectType(additional_properties=True),
            description=f"How rows are handed over in bulk ({', '.join(FORMATS[:2])}); unset sends records.",
        ),
        REPLACES,
        POSITIONS_FILE,
    ).to_dict()

    @cached_property
    def files(self) -> Files:
        """The place that all streams share."""
        return Files({**DEFAULTS, **self.config})

    def discover_streams(self) -> Sequence[FilesStream]:
        """Return one stream for each folder or name of files."""
        return [FilesStream(self, stream) for stream in self.files.streams()]
