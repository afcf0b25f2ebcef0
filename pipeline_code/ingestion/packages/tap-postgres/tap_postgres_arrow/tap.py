"""The tap as the Singer SDK sees it: settings described, discovery. main.py is its command."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from singer_sdk import Tap
from singer_sdk import typing as th
from singer_sdk.contrib.msgspec import MsgSpecWriter

from tap_postgres_arrow.log_reading import Followed
from tap_postgres_arrow.settings import DEFAULTS, FORMATS, read_positions
from tap_postgres_arrow.source import Source
from tap_postgres_arrow.stream import PostgresStream


class TapPostgresArrow(Tap):
    """Replicates the tables of one PostgreSQL schema, all read in one snapshot."""

    name = "tap-postgres-arrow"
    package_name = "tap-headwater-postgres"
    dynamic_catalog = True
    message_writer_class = MsgSpecWriter

    config_jsonschema = th.PropertiesList(
        th.Property("host", th.StringType, required=True, description="Server name or address."),
        th.Property("port", th.IntegerType, default=DEFAULTS["port"], description="Server port."),
        th.Property("database", th.StringType, required=True, description="Database name."),
        th.Property("user", th.StringType, required=True, description="Role; it needs SELECT only."),
        th.Property("password", th.StringType, required=True, secret=True, description="The role's password."),
        th.Property("sslmode", th.StringType, default=DEFAULTS["sslmode"], description="libpq's sslmode."),
        th.Property(
            "sslrootcert",
            th.StringType,
            description="PEM file of the authorities that verify-ca and verify-full ask; `system`: the public ones.",
        ),
        th.Property(
            "schema", th.StringType, default=DEFAULTS["schema"], description="Schema whose tables are replicated."
        ),
        th.Property(
            "stream_prefix",
            th.StringType,
            default=DEFAULTS["stream_prefix"],
            description="What the streams' names have before the tables': names of tables in the lake are unique.",
        ),
        th.Property(
            "replication_key",
            th.StringType,
            default=DEFAULTS["replication_key"],
            description="Column that changes with every change of a row. Tables without it are read in full.",
        ),
        th.Property(
            "late_window_seconds",
            th.IntegerType,
            default=DEFAULTS["late_window_seconds"],
            description="How far behind the bookmark a row that commits late, or is dated late, is still looked for.",
        ),
        th.Property(
            "publication",
            th.StringType,
            description="Publication whose keyed tables are followed through the log, with deletes.",
        ),
        th.Property(
            "slot",
            th.StringType,
            default=DEFAULTS["slot"],
            description="Replication slot; the first run makes <slot>_<number>. The role needs REPLICATION.",
        ),
        th.Property(
            "readers",
            th.IntegerType(minimum=1),
            default=DEFAULTS["readers"],
            description="How many connections read a large table side by side, into a file each.",
        ),
        th.Property(
            "share",
            th.StringType,
            description="Which pods read very large tables together, as JSON; headwater-ingest sets it. Bulk only.",
        ),
        th.Property(
            "share_database",
            th.StringType,
            secret=True,
            description="URL of the PostgreSQL database through which these pods share the work.",
        ),
        th.Property(
            "emit_activate_version_messages",
            th.BooleanType,
            default=DEFAULTS["emit_activate_version_messages"],
            description="Announce a complete read, so that the target replaces what it holds of the table.",
        ),
        th.Property(
            "batch_config",
            # The SDK's own definition knows files only; its other fields are these.
            th.ObjectType(
                th.Property(
                    "encoding",
                    th.ObjectType(
                        th.Property(
                            "format",
                            th.StringType,
                            required=True,
                            allowed_values=list(FORMATS),
                            description="pipe: a named pipe, its content as the target wishes. arrow: a named pipe "
                            "with an Arrow stream. parquet: files, for any target.",
                        )
                    ),
                    required=True,
                ),
                th.Property(
                    "storage",
                    th.ObjectType(
                        th.Property("root", th.StringType, required=True, description="Local folder, file:///…"),
                        th.Property("prefix", th.StringType, description="Prefix of the names."),
                    ),
                    required=True,
                ),
            ),
            description="How rows are handed over in bulk; unset sends records.",
        ),
        th.Property(
            "positions_file",
            th.StringType,
            description="JSON file {stream: bookmark} of what the target has committed; it wins over the state.",
        ),
    ).to_dict()

    @cached_property
    def positions(self) -> dict[str, dict[str, Any]]:
        """Committed bookmarks by stream; empty without `positions_file`."""
        return read_positions(self.config.get("positions_file"))

    @cached_property
    def followed(self) -> Followed | None:
        """The tables that follow the log; None where no publication is set."""
        return Followed(self.config) if self.config.get("publication") else None

    @cached_property
    def source(self) -> Source:
        """The connection and snapshot that discovery and all streams share."""
        return Source(self.config)

    def discover_streams(self) -> Sequence[PostgresStream]:
        """Return one stream for each table of the schema that the role may read."""
        # The log first: all that happened before the snapshot is then in one of the two.
        followed = self.followed
        tables = self.source.require_tables(self.config["schema"])
        if followed is not None:
            tables = followed.described(tables)
        self._tables = tables
        return [PostgresStream(self, self.source, table) for table in tables]

    def _set_compatible_replication_methods(self) -> None:
        # The SDK's last step before its first STATE message. A target that finds the marker of a stream in the last
        # state knows that the stream was cut off, or never came.
        super()._set_compatible_replication_methods()
        ours = [each for each in self.streams.values() if isinstance(each, PostgresStream)]
        for stream in [each for each in ours if each.selected]:
            stream.leave_out()
        for stream in [each for each in ours if each.selected]:
            stream.announce()

    @cached_property
    def followed_from_here(self) -> Followed:
        """The same with the log read, once a run: only now the SDK has told the state and the selection."""
        if self.followed is None:
            raise ValueError("no publication is set: no table follows the log")
        selected = frozenset(stream.name for stream in self.streams.values() if stream.selected)
        self.followed.prepare(
            self.source, self._tables, selected, {**self.state.get("bookmarks", {}), **self.positions}
        )
        return self.followed

    def close(self) -> None:
        """End the connections."""
        self.source.close()
        if self.followed is not None:
            self.followed.close()
