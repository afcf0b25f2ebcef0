"""How Trino maintains a table, by what the table needs: statements, and after which errors to try again."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

LOADED = ("raw",)
BUILT = ("staging", "intermediate", "marts", "snapshots")
"""Every schema that the platform writes: what ingestion loads, and what dbt and Dagster make of it."""
CONFLICTS = frozenset({"ICEBERG_COMMIT_ERROR", "TRANSACTION_CONFLICT"})
"""Names of Trino's errors after which another commit has won the race for the next snapshot, and nothing is changed."""
ATTEMPTS = 4
NUMBER = r"[0-9]+(?:\.[0-9]+)?"
Query = Callable[[str], Sequence[Sequence[Any]]]


@dataclass(frozen=True)
class Limits:
    """What is kept, and when a table is seen to. Durations are Trino's, not below its `iceberg.*.min-retention` (7d).

    snapshot_retention: how far back a table can be read or rolled back. orphan_retention: how old a file that no
    snapshot holds has to be; longer than the longest load. small_file: smaller files are merged into larger ones, when
    a table has `small_files` of them or `delete_files`. manifests: how many a table may have before they are merged.
    """

    snapshot_retention: str = "7d"
    orphan_retention: str = "7d"
    small_file: str = "64MB"
    small_files: int = 8
    delete_files: int = 4
    manifests: int = 50

    def __post_init__(self) -> None:
        """Refuse, with ValueError, what is not exactly a duration or a size: it becomes part of a statement."""
        interval(self.snapshot_retention)
        interval(self.orphan_retention)
        size(self.small_file)


@dataclass(frozen=True)
class Need:
    """What a table holds: data files below the limit, delete files, manifests, snapshots, and whether it was written
    since its orphans were last looked for (within the retention of snapshots and a week).
    """

    small_files: int
    delete_files: int
    manifests: int
    snapshots: int
    old_snapshots: int
    written: bool


def quoted(schema: str, table: str, kind: str = "") -> str:
    """Return the name of a table, or of one of its metadata tables, in SQL."""
    name = table.replace('"', '""')
    return f'{schema}."{name}{kind}"'


def tables(query: Query, schemas: Sequence[str]) -> list[tuple[str, str]]:
    """Return schema and name of the tables in the schemas; views have no files."""
    wanted = ", ".join(f"'{schema}'" for schema in schemas)
    found = query(
        "select table_schema, table_name from information_schema.tables"  # noqa: S608 - our names
        f" where table_schema in ({wanted}) and table_type = 'BASE TABLE' order by 1, 2"
    )
    return [(str(schema), str(table)) for schema, table in found]


def need(query: Query, schema: str, table: str, limits: Limits) -> Need:
    """Return what a table holds, read from its metadata alone."""
    old = f"current_timestamp - {interval(limits.snapshot_retention)}"
    ((small, deletes, manifests, snapshots, old_snapshots, written),) = query(
        "select * from"  # noqa: S608 - our names
        f" (select count_if(content = 0 and file_size_in_bytes < {size(limits.small_file)}), count_if(content <> 0)"
        f" from {quoted(schema, table, '$files')})"
        f" cross join (select count(*) from {quoted(schema, table, '$manifests')})"
        f" cross join (select count(*), count_if(committed_at < {old}),"
        f" coalesce(max(committed_at) > {old} - interval '7' day, false) from {quoted(schema, table, '$snapshots')})"
    )
    return Need(int(small), int(deletes), int(manifests), int(snapshots), int(old_snapshots), bool(written))


def statements(schema: str, table: str, found: Need, limits: Limits) -> Iterator[str]:
    """Yield what the table needs, in its order: files that compaction replaces go with the snapshots that expire.

    `optimize` applies delete files as well: after it, a merged table is read as fast as any other. Where a stream
    stands survives the expiry of its snapshot, since the table's properties say it too.
    """
    execute = f"alter table {quoted(schema, table)} execute"
    if found.small_files >= limits.small_files or found.delete_files >= limits.delete_files:
        yield f"{execute} optimize(file_size_threshold => '{limits.small_file}')"
    if found.manifests >= limits.manifests:
        yield f"{execute} optimize_manifests"
    # The newest snapshot is never expired, however old.
    if found.old_snapshots and found.snapshots > 1:
        yield f"{execute} expire_snapshots(retention_threshold => '{limits.snapshot_retention}')"
    if found.written:
        yield f"{execute} remove_orphan_files(retention_threshold => '{limits.orphan_retention}')"


def maintain(query: Query, wait: Callable[[int], None], todo: Sequence[str]) -> int:
    """Run a table's statements, each again after a conflict, `wait(number)` before. Returns how many conflicts it took.

    Raises the error of a statement that does not succeed; those after it are not run.
    """
    conflicts = 0
    for statement in todo:
        for attempt in range(ATTEMPTS):
            try:
                query(statement)
                break
            except Exception as error:
                if not is_conflict(error) or attempt == ATTEMPTS - 1:
                    raise
                conflicts += 1
                wait(attempt)
    return conflicts


def is_conflict(error: Exception) -> bool:
    """Whether an error of Trino's client says that another commit was faster."""
    return getattr(error, "error_name", None) in CONFLICTS


def interval(duration: str) -> str:
    """Return one of Trino's durations (90s, 7.50d) as an interval; ValueError for anything else."""
    units = {"s": "second", "m": "minute", "h": "hour", "d": "day"}
    seconds = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    if re.fullmatch(rf"{NUMBER}[{''.join(units)}]", duration) is None:
        raise ValueError(f"duration {duration!r}: a number and one of s, m, h, d are allowed, for example 7d")
    return f"interval '{float(duration[:-1]) * seconds[duration[-1]]:.0f}' second"


def size(text: str) -> int:
    """Return one of Trino's data sizes (64MB) in bytes; ValueError for anything else."""
    units = {"kB": 2**10, "MB": 2**20, "GB": 2**30}
    if re.fullmatch(rf"{NUMBER}({'|'.join(units)})", text) is None:
        raise ValueError(f"size {text!r}: a number and one of kB, MB, GB are allowed, for example 64MB")
    return int(float(text[:-2]) * units[text[-2:]])
