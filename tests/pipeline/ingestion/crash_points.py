"""The steps between which tap and target are killed, as functions of theirs and of the libraries that they call."""

from __future__ import annotations

from crash_processes import Fault

BATCH = "target_iceberg.messages.batches:Batch"
LOAD = "target_iceberg.commit.load:Load"
FILE = "target_iceberg.files.datafile:DataFileWriter"
RUN = "target_iceberg.run:Run"
STATE = "target_iceberg.target:write_state"
SNAPSHOT = "target_iceberg.pyiceberg_private"
CATALOG = "pyiceberg.catalog.sql:SqlCatalog"
OUTPUT = "pyiceberg.io.pyarrow:PyArrowFileIO.new_output"
SESSION = "sqlalchemy.orm:Session.commit"
TAP = "tap_postgres_arrow.main:Run"
OUT = "tap_postgres_arrow.main:Output"

FAULTS = [
    Fault("tap", "after", "tap_postgres_arrow.engine:Connection.__init__"),
    Fault("tap", "after", "tap_postgres_arrow.source:Source.tables"),
    Fault("tap", "before", f"{TAP}._announce"),
    Fault("tap", "after", f"{TAP}._announce"),
    Fault("tap", "before", f"{OUT}.write", 3),  # STATE, SCHEMA, BATCH
    Fault("tap", "after", f"{OUT}.write", 3),
    Fault("tap", "before", "headwater_tap.handover:_open_for_writing"),
    Fault("tap", "after", "headwater_tap.handover:_open_for_writing"),
    Fault("tap", "before", "tap_postgres_arrow.arrow:conform"),
    Fault("tap", "before", "tap_postgres_arrow.boundary:advanced"),
    Fault("tap", "after", "headwater_tap.handover:send"),
    Fault("tap", "before", f"{OUT}.write", 6),
    Fault("tap", "after", "headwater_tap.handover:send", 2),
    Fault("tap", "after", f"{OUT}.state", 2),
    Fault("tap", "after", f"{OUT}.state", 3),
    Fault("target", "before", "pyiceberg.catalog:load_catalog"),
    Fault("target", "before", "target_iceberg.commit.load:ensure_table"),
    Fault("target", "after", "target_iceberg.commit.load:ensure_table"),
    Fault("target", "before", "target_iceberg.messages.pipe:read"),
    Fault("target", "before", f"{LOAD}.write"),
    Fault("target", "after", f"{FILE}.__init__"),
    Fault("target", "after", f"{LOAD}.write"),
    Fault("target", "after", f"{BATCH}.store"),
    Fault("target", "after", f"{BATCH}.store", 2),
    Fault("target", "before", f"{RUN}.finish"),
    Fault("target", "before", f"{FILE}.close"),
    Fault("target", "after", f"{FILE}.close"),
    Fault("target", "before", f"{LOAD}.prepare"),
    Fault("target", "after", f"{LOAD}.prepare", 2),
    Fault("target", "before", STATE),
    Fault("target", "after", STATE),
]
PASSAGE = [
    Fault("tap", "before", "headwater_tap.handover:Answer.read"),
    Fault("tap", "after", "headwater_tap.handover:Answer.read"),
    Fault("tap", "before", "tap_postgres_arrow.engine:Connection.copy", 2),
    Fault("tap", "after", "tap_postgres_arrow.engine:Connection.copy"),
    Fault("tap", "before", "tap_postgres_arrow.parquet:check"),
    Fault("tap", "after", "tap_postgres_arrow.parquet:Statement.write"),
    Fault("tap", "after", "tap_postgres_arrow.parquet:Statement.write", 2),
    Fault("target", "before", "target_iceberg.messages.pipe:answer"),
    Fault("target", "after", "target_iceberg.messages.pipe:answer"),
    Fault("target", "after", "target_iceberg.messages.pipe:answer", 2),
    Fault("target", "before", "target_iceberg.commit.load:ensure_table"),
    Fault("target", "before", f"{LOAD}.receive"),
    Fault("target", "before", "target_iceberg.files.passage:with_field_ids"),
    Fault("target", "after", f"{LOAD}.receive"),
    Fault("target", "after", f"{LOAD}.adopt"),
    Fault("target", "before", f"{LOAD}.adopt", 2),
    Fault("target", "after", f"{BATCH}.store"),
    Fault("target", "before", f"{RUN}.finish"),
    Fault("target", "before", SESSION),
    Fault("target", "after", SESSION),
    Fault("target", "before", STATE),
    Fault("target", "after", STATE),
]
PUBLICATION = [
    Fault("target", "before", "target_iceberg.run:together"),
    Fault("target", "before", OUTPUT, 3),  # the first table's manifest
    Fault("target", "before", OUTPUT, 4),  # its manifest list
    Fault("target", "before", OUTPUT, 5),  # its metadata
    Fault("target", "before", SESSION),
    Fault("target", "after", SESSION),  # the anchor is staged
    Fault("target", "after", f"{LOAD}.stage"),
    Fault("target", "before", f"{CATALOG}.commit_table", 2),
    Fault("target", "before", SESSION, 2),
    Fault("target", "after", SESSION, 2),  # both tables are staged
    Fault("target", "after", f"{LOAD}.stage", 2),
    Fault("target", "before", f"{LOAD}.publish"),
    Fault("target", "before", SESSION, 3),
    Fault("target", "after", SESSION, 3),  # the anchor is published: the run is decided
    Fault("target", "after", f"{LOAD}.publish"),
    Fault("target", "before", f"{CATALOG}.commit_table", 4),
    Fault("target", "before", SESSION, 4),
    Fault("target", "after", SESSION, 4),
    Fault("target", "after", f"{LOAD}.publish", 2),
    Fault("target", "before", "target_iceberg.run:report"),
    Fault("target", "before", STATE),
]
MERGE = [
    Fault("target", "before", "target_iceberg.commit.merge:equality_deletes"),
    Fault("target", "after", "target_iceberg.commit.merge:equality_deletes", 2),
    Fault("target", "before", f"{SNAPSHOT}:LoadSnapshot.updates"),
    Fault("target", "before", f"{SNAPSHOT}:DeleteManifestWriter.content", 2),  # while the second is written
    Fault("target", "after", f"{SNAPSHOT}:LoadSnapshot.updates", 2),
]
