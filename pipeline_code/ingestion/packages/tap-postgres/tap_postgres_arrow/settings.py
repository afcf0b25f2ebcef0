"""The tap's settings, as its command shows and checks them."""

from __future__ import annotations

from headwater_singer import Program, Setting
from headwater_tap.command import BATCH_CONFIG, CAPABILITIES, POSITIONS_FILE, REPLACES

PROGRAM = Program(
    "tap-postgres-arrow",
    "tap-headwater-postgres",
    "Replicates the tables of one PostgreSQL schema, all read in one snapshot.",
    CAPABILITIES,
    (
        Setting("host", str, "Server name or address.", required=True),
        Setting("port", int, "Server port.", 5432),
        Setting("database", str, "Database name.", required=True),
        Setting("user", str, "Role; it needs SELECT only.", required=True),
        Setting("password", str, "The role's password.", required=True, secret=True),
        Setting("sslmode", str, "libpq's sslmode.", "prefer"),
        Setting(
            "sslrootcert",
            str,
            "PEM file of the authorities that verify-ca and verify-full ask; `system`: the public ones.",
        ),
        Setting("schema", str, "Schema whose tables are replicated.", "public"),
        Setting(
            "stream_prefix",
            str,
            "What the streams' names have before the tables': names of tables in the lake are unique.",
            "",
        ),
        Setting(
            "replication_key",
            str,
            "Column that changes with every change of a row. Tables without it are read in full.",
            "updated_at",
        ),
        Setting(
            "late_window_seconds",
            int,
            "How far behind the bookmark a row that commits late, or is dated late, is still looked for.",
            86_400,
        ),
        Setting("publication", str, "Publication whose keyed tables are followed through the log, with deletes."),
        Setting(
            "slot",
            str,
            "Replication slot; the first run makes <slot>_<number>. The role needs REPLICATION.",
            "headwater",
        ),
        Setting("readers", int, "How many connections read a large table side by side, into a file each.", 2, least=1),
        Setting("resume", bool, "Keep the progress of a large complete read; go on from a run that died.", True),
        Setting("checkpoint_seconds", int, "How much time passes at least before progress is kept again.", 60, least=0),
        Setting(
            "piece_bytes",
            int,
            "Most bytes of a table, as the source stores it, that are one piece of a complete read; progress is "
            "kept of larger tables.",
            1 << 30,
            least=1,
        ),
        Setting("share", str, "Which pods read very large tables together, as JSON; headwater-ingest sets it."),
        Setting(
            "share_database",
            str,
            "URL of the PostgreSQL database through which these pods share the work.",
            secret=True,
        ),
        BATCH_CONFIG,
        REPLACES,
        POSITIONS_FILE,
    ),
)
